# Exports both plugins from one component, since each component contains a whole Python interpreter.
from process import Process
from validate import Validate

__all__ = ["Process", "Validate"]
