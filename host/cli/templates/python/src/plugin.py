# Exports both plugins of the use case from one component.
from process import Process
from validate import Validate

__all__ = ["Process", "Validate"]
