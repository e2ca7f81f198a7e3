# The component's exports: both plugins in one, since each component carries a whole Python interpreter.
from process import Process
from validate import Validate

__all__ = ["Process", "Validate"]
