"""The demonstration: hide one contrast of the sample study, synthesise it, look."""

from .run import run_demo

__all__ = ["run_demo"]
