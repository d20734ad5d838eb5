"""The sender's SDK (bên gửi): sign, pack, send, follow, keep proof; knows the wire, not the server."""
