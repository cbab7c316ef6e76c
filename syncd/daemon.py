"""The main process: signals, the service manager, reload and orderly stop."""
