"""An answer also acknowledges: aiocoap repeats a request until its ACK comes, whatever has answered it meanwhile."""

from typing import Any

from aiocoap.numbers.types import Type


def acknowledge_by_answer(tokens: Any) -> None:
    """Let any answer end the exchange of its request (RFC 7252, 5.2.2), and the next request to the device go out.

    Devices answer in messages of their own without an ACK before, because they have none or because it was lost:
    coap-node sends its errors so, with the message id of the request.
    """
    manager = tokens.token_interface
    process = tokens.process_response

    def process_response(response: Any) -> Any:
        pending = tokens.outgoing_requests.get((response.token, response.remote))
        expected = process(response)
        if expected and pending is not None and response.mtype is not Type.ACK:
            request = pending.request
            exchange = manager._active_exchanges.pop((request.remote, request.mid), None)
            if exchange is not None:
                _, retransmission = exchange
                retransmission.cancel()
                manager._continue_backlog(request.remote)
        return expected

    tokens.process_response = process_response
