"""Blocks and losses in torch that several papers share.

Clips are float32 (B, 3, T, H, W), red, green, blue, 0..255, as :mod:`perfuse.clip` cuts them; pulses are (B, T),
rising with blood volume. Losses answer one number a clip, (B,), and never mix clips.
"""
