"""The version of this package."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("hulak")
except PackageNotFoundError:  # the packages are used without being installed
    VERSION = "0+unknown"
