"""watcher: carries files from a drop folder to the WFM import API."""

__version__ = "0.1.0"
