"""The demo: drawn videos of eight actions, and the server of their zip."""
