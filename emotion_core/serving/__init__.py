"""The analyzer over HTTP: JSON schema, client, and a server on Ray Serve.

``schema`` and ``client`` need neither torch nor Ray, which is imported when a server is started.
"""
