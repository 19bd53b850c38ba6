"""Ways that CoAP travels: UDP, DTLS with pre-shared keys, TCP, and OSCORE over any of them.

- `association`: one DTLS association on OpenSSL, without I/O
- `dtls`: a DTLS server on one UDP port; `dtls_client`: the device's side
- `coaps`: both as aiocoap message interfaces
- `udp`, `tcp`: aiocoap's transports, with peers as strings
- `assembly`: block-wise requests put together in bounded memory
- `duplicates`: which messages were seen lately, in bounded memory
- `options`: which options a request may have
- `oscore`: security contexts from the credentials, their sequence numbers in a folder
"""
