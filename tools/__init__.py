"""What sets the project up. Not part of the library or the application."""
