"""Networks as plain functions: named arrays in, named arrays out, whatever library runs them."""

from perfuse.infer.model import Backend, Model

__all__ = ["Backend", "Model"]
