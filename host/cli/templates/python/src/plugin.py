# The component's exports: both plugins of the use case.
from process import Process
from validate import Validate

__all__ = ["Process", "Validate"]
