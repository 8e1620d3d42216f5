"""The demo command: runs an example workflow with chosen images and values."""
