"""The targets that the registered builders can build for."""

from app.api.dependencies import BoardName, Cursor, Limit, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import Board, BoardPage
from app.errors import NotFound

handlers = Handlers()


@handlers("listBoards")
def list_boards(services: ServicesDep, cursor: Cursor = None, limit: Limit = 50) -> BoardPage:
    """Boards by name."""
    with services.database.read() as session:
        boards = services.builders.boards(session)
    rest = [board for board in boards if cursor is None or board.name > cursor]
    items = rest[:limit]
    return BoardPage(items=items, next_cursor=items[-1].name if len(rest) > limit else None)


@handlers("getBoard")
def get_board(services: ServicesDep, board_name: BoardName) -> Board:
    """One board."""
    with services.database.read() as session:
        for board in services.builders.boards(session):
            if board.name == board_name:
                return board
    raise NotFound(
        "board_not_found", f"No builder builds for {board_name}.", "GET /v1/boards lists them.", "board_name"
    )
