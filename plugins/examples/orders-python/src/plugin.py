# The component's exports. One component holds both plugins, since each component includes a whole Python interpreter.
from process import Process
from validate import Validate

__all__ = ["Process", "Validate"]
