"""A student that others trained: FactorizePhys as the rPPG-Toolbox publishes it.

The files are not part of the project. They were trained on faces of 72 x 72 pixels, 160 frames at a time at 30 Hz.
They hold 52,168 of the 52,169 numbers: the attention's shift stays where it began, at 1.
"""

from __future__ import annotations

from pathlib import Path

from perfuse.nn.weights import fill, read_weights
from perfuse.papers.rpm_distill.student import FactorizePhys

NAMES = {
    "rppg_feature_extractor.FeatureExtractor.": "features.",
    "rppg_head.conv_block.": "head.",
    "rppg_head.fsam.pre_conv_block.0.": "attention.enter.",
    "rppg_head.fsam.post_conv_block.0.conv.": "attention.middle.",
    "rppg_head.fsam.post_conv_block.1.": "attention.leave.",
    "rppg_head.final_layer.": "pulse.",
    ".conv_block_3d.0.": ".",
    # dropout held number 3
    "features.4.": "features.3.",
    "features.5.": "features.4.",
    "features.6.": "features.5.",
}
"""Parts of the checkpoints' names and what they are here; put in place in this order."""
SIZE, FRAMES, RATE_HZ = 72, 160, 30.0
"""What their training saw: pixels a side, frames, frames per second."""
REMEDY = "Give the rPPG-Toolbox's FactorizePhys checkpoint, such as PURE_FactorizePhys_FSAM_Res.pth."


def load_factorizephys(path: str | Path, *, attend: bool = False) -> FactorizePhys:
    """Return the network with published weights, in evaluation mode.

    Parameters
    ----------
    path : str or Path
        A ``.pth`` file, read as weights only: it cannot run code.
    attend : bool
        Use the attention. The Toolbox reads these weights without; RPM-Distill would begin from them with it.

    Raises
    ------
    SourceError
        If the file is missing, cannot be read, or holds another network.
    """
    network = FactorizePhys(attend=attend)
    fill(network, read_weights(path, REMEDY), renamed, what="FactorizePhys", remedy=REMEDY, kept=["attention.shift"])
    return network.eval()


def renamed(name: str) -> str:
    """Return what a weight of the checkpoint is called here."""
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    return name
