"""Texts of the schema for operations, parameters, objects and fields whose code has none.

A name means the same everywhere in the API, so each field needs one text.
"""

from typing import Any

from booking_site.api.openapi.problems import operations

OPERATIONS = {
    "auth_register": "Creates an account, logs in, and e-mails a link that confirms the address.",
    "auth_guest": (
        "Returns a token to hold, book and cancel, without a refresh token. Later, an account can"
        " claim the orders with the link in the confirmation e-mail."
    ),
    "auth_guest_claim": (
        "The link in the confirmation of a guest's order contains `uid` and `token`. The guest's"
        " token ends, and the holds are released."
    ),
    "auth_login": "An unknown address and a wrong password get the same response.",
    "auth_refresh": (
        "The old refresh token becomes invalid, but for ten seconds it returns the same new pair"
        " again, so that two tabs can refresh at once."
    ),
    "auth_logout": "Ends the sign-in with all its tokens. A repetition has no further effect.",
    "auth_me": "The account of the token.",
    "auth_me_update": "Returns the changed account.",
    "auth_me_delete": "Erases the personal data. Bookings remain for accounting, without a name.",
    "auth_me_export": "Profile, sign-ins, holds, orders, e-mails and changes by staff.",
    "auth_password_change": "Everybody who is logged in to the account must log in again.",
    "auth_password_reset": "The response does not reveal whether the account exists.",
    "auth_password_reset_confirm": (
        "The link in the e-mail contains `uid` and the token. Everybody who is logged in to the"
        " account must log in again."
    ),
    "auth_email_confirm": "The link in the e-mail contains `uid` and `token`.",
    "auth_email_resend": "Sends nothing if the address is confirmed already.",
    "bookings_list": "Each with its movie, theatre, screen and start.",
    "bookings_create": (
        "Books all of the seats or none: `{show_id, seat_id}`, `{show_id, seat_ids}` or"
        " `{hold_id}`. After a lost response or a 503, repeat the request with the same"
        " `Idempotency-Key`: the response is that of the first one."
    ),
    "bookings_read": "Bookings of other users are 404.",
    "bookings_cancel": "Possible until `cancellable_until`. A repetition has no further effect.",
    "holds_list": "Expired holds are not listed.",
    "holds_create": (
        "Send `seat_ids`, or a `quantity` to get the best available seats together. A user has one"
        " hold per show: a further request replaces its seats, so send the whole selection."
    ),
    "holds_read": "Expired holds and those of other users are 404.",
    "holds_release": "A repetition has no further effect.",
    "holds_extend": "Extends it to its full time from now, at most until `max_expires_at`.",
    "movies_list": "All movies, or those that match the filters.",
    "movies_read": "The movie with this id.",
    "movie_shows_list": "Cancelled shows are not listed.",
    "orders_list": "Each with its bookings.",
    "orders_read": "Orders of other users are 404.",
    "orders_cancel": "Cancels all valid bookings of it. A repetition has no further effect.",
    "shows_list": "Cancelled shows are not listed.",
    "shows_read": "A cancelled show is returned, too, with its `status`.",
    "show_layout_read": "The room of a show, which does not change while seats are sold.",
    "show_seats_list": (
        "Sorted by row, then by number. `status` and `mine` depend on the caller: send the token,"
        " if you have one."
    ),
    "theatres_list": "All theatres.",
    "theatres_read": "The theatre with this id.",
    "theatre_shows_list": "Cancelled shows are not listed.",
}
PARAMETERS = {
    "id": "The id, from a list or an earlier response.",
    "movie_id": "The id of a movie.",
    "reference": "The reference of an order, such as `K7Q4-9XWD`.",
    "show_id": "The id of a show.",
    "status": "Only items with this status.",
    "theatre_id": "The id of a theatre.",
    "upcoming": "`true`: only shows that have not started; `false`: only shows that have.",
}
SCHEMAS = {
    "Accepted": "The request was accepted; an e-mail may follow.",
    "Booking": "One seat sold to one user.",
    "BookingDetail": "A booking with its movie, theatre, screen and start.",
    "BookingStatus": "Whether the booking is valid.",
    "ChangePasswordRequest": "The current and the new password.",
    "CloseAccountRequest": "The password of the account to remove.",
    "ClaimOrdersRequest": "The parameters of the link in the e-mail.",
    "ConfirmEmailRequest": "The parameters of the link in the e-mail.",
    "CustomerLanguage": "A language in which the site addresses customers.",
    "GapRule": "Whether a choice may leave a single free seat between two taken ones.",
    "GuestRequest": "The name and e-mail address of a customer without an account.",
    "LayoutRow": "A row of seats.",
    "LoginRequest": "The credentials of an account.",
    "Me": "The account of the token.",
    "Movie": "A film that theatres show.",
    "NewOrderStatus": "New orders are confirmed.",
    "OrderChannel": "Whether it was sold online or at the box office.",
    "OrderDetail": "A purchase with its bookings, movie, theatre, screen and start.",
    "OrderStatus": "Whether all, some or none of the bookings are valid.",
    "RefreshRequest": "A refresh token.",
    "RegisterRequest": "A new account.",
    "ResetPasswordRequest": "The e-mail address of the account.",
    "SeatCategory": "`wheelchair` is a bay without a chair, `companion` a seat beside one.",
    "SeatOfMap": "A seat; with `fields=status`, one that the caller cannot book.",
    "SeatState": "`held`: in somebody's hold. `blocked`: not sold by the theatre.",
    "SeatStatus": "`available`: the caller can book it. `booked`: the caller cannot.",
    "ShowStatus": "Whether the show takes place.",
    "Theatre": "A venue with one or more screens.",
    "Tokens": "A new pair of tokens.",
}
FIELDS = {
    "accessible": "`true`: the seats include a wheelchair bay.",
    "booked_at": "When the seat was booked.",
    "bookings": "All bookings of the purchase, by row and number.",
    "cancelled_at": "When the booking was cancelled; null if it was not.",
    "code": "Identifies the kind of error.",
    "created_at": "When it was created.",
    "currency": "ISO 4217 code.",
    "current_password": "The current password.",
    "description": "A short summary; may be empty.",
    "duration_minutes": "Null if unknown.",
    "email": "The e-mail address.",
    "email_confirmed_at": "When the address was confirmed; null if it was not.",
    "end_time": "Null if the movie has no known duration.",
    "expires_at": "When the seats become free again.",
    "expires_in": "Seconds from `server_time` until `expires_at`.",
    "genres": "May be empty.",
    "height": "The height, in cells.",
    "hold_id": "The id of one of the caller's holds.",
    "id": "Identifies it in further requests.",
    "largest_block": "How many adjacent seats are still available.",
    "limit": "The maximum number of seats.",
    "max_expires_at": "Until when the hold can be extended.",
    "message": "A sentence to show to the customer.",
    "mine": "Whether the caller has booked or holds the seat.",
    "movie_id": "The id of the movie.",
    "movie_title": "The title of the movie.",
    "name": "The name to display.",
    "new_password": "At least 8 characters, not all digits, and not a common password.",
    "number": "The number in the row.",
    "order_reference": "The reference of the order; null for a booking without one.",
    "password": "The password of the account.",
    "quantity": "How many seats.",
    "reference": "Identifies the order, in letters that are hard to confuse.",
    "refresh": "Exchange it for a new pair at `/api/auth/refresh`.",
    "release_date": "Null if unknown.",
    "reset_token": "The `token` from the link.",
    "right_seat_id": "The next seat to the right; null beside an aisle or a wall.",
    "row": "The row, such as `A`.",
    "screen_name": "Null if the show has no screen.",
    "seat_id": "The id of the seat.",
    "seat_ids": "The ids of the seats.",
    "seats": "The seats of the hold.",
    "seats_total": "Seats for sale, sold or not.",
    "sections": "Empty in a room without named sections.",
    "server_time": "The time on the server, from which a countdown can start.",
    "show_id": "The id of the show.",
    "start_time": "When the show starts.",
    "theatre_id": "The id of the theatre.",
    "theatre_name": "The name of the theatre.",
    "timezone": "The IANA name of the time zone.",
    "title": "The title.",
    "token": "Send it as `Authorization: Bearer …`.",
    "uid": "The `uid` from the link.",
    "updated_at": "When it last changed.",
    "user_id": "The caller's id.",
    "x": "The column of cells, from 0 at the left; null in a room without a plan.",
    "y": "The line of cells, from 0 at the front; null in a room without a plan.",
}


def describe_texts(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the texts where there is none (a hook of drf-spectacular)."""
    for operation in operations(result):
        if text := OPERATIONS.get(operation["operationId"]):
            operation.setdefault("description", text)
        for parameter in operation.get("parameters", ()):
            if text := PARAMETERS.get(parameter["name"]):
                parameter.setdefault("description", text)
        for response in operation["responses"].values():
            if body := response.get("content", {}).get("application/json"):
                _describe_body(body["schema"], response["description"])
    for name, schema in result["components"]["schemas"].items():
        text = "One page of a list." if name.endswith("List") else SCHEMAS.get(name)
        if text:
            schema.setdefault("description", text)
        _describe_fields(schema)
    return result


def _describe_body(schema: dict[str, Any], text: str) -> None:
    if "$ref" not in schema:
        schema.setdefault("description", text)


def _describe_fields(schema: dict[str, Any]) -> None:
    fields = schema.get("properties", {})
    for name in fields.keys() & FIELDS.keys():
        if "$ref" not in fields[name]:
            # A new object, because constants such as ID are in many places.
            fields[name] = {"description": FIELDS[name], **fields[name]}
    for part in (*schema.get("oneOf", ()), *schema.get("allOf", ())):
        _describe_fields(part)
