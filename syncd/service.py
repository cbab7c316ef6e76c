"""The application: everything a face can ask for, as plain method calls."""
