"""perfuse."""
