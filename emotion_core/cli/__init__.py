"""The command line: ``main``, shared arguments, and one module a command."""
