"""The core over HTTP: wire format, client, and a server on Ray Serve.

``wire`` and ``client`` need neither torch nor Ray; everything that needs Ray is imported when a
server is started.
"""
