"""The tables of another system with the same API, filled for a benchmark."""

import jwt
from bcrypt import gensalt, hashpw

from benchmarks.dataset import CUSTOMERS, PASSWORD, Dataset, Size


class PeerDataset(Dataset):
    """Tokens carry `id`, signed by HS256 with the peer's key; passwords are bcrypt, cost 10."""

    fill_statements = (
        "TRUNCATE users, movies, theatres, shows, seats, bookings RESTART IDENTITY",
        """
        INSERT INTO users (id, name, email, password_hash)
        SELECT n, 'Customer ' || n, 'customer' || n || '@example.com', %(password_hash)s
          FROM generate_series(1, %(users)s) AS n
        """,
        """
        INSERT INTO movies (id, title, description)
        SELECT n, 'Movie ' || n, repeat('What happens in it, and to whom. ', 6)
          FROM generate_series(1, %(movies)s) AS n
        """,
        "INSERT INTO theatres (id, name, location) VALUES (1, 'A theatre', 'Here')",
        """
        INSERT INTO shows (id, movie_id, theatre_id, start_time)
        SELECT n, 1 + n %% %(movies)s, 1, now() + interval '1 day' + interval '3 hours' * (n / 50)
          FROM generate_series(1, %(shows)s + %(gap_rule)s + %(premieres)s) AS n
        """,
        """
        INSERT INTO seats (id, show_id, row, number, price, status)
        SELECT (show - 1) * 240 + place + 1, show, chr(65 + place / 20), 1 + place %% 20, 15,
               CASE WHEN show <= %(shows)s AND CASE WHEN show <= 2 THEN place %% 2 = 0
                                                   ELSE place %% 10 < %(sold)s * 10 END
                    THEN 'booked' ELSE 'available' END
          FROM generate_series(1, %(shows)s + %(gap_rule)s) AS show,
               generate_series(0, 239) AS place
        """,
        """
        INSERT INTO seats (id, show_id, row, number, price)
        SELECT (%(shows)s + %(gap_rule)s) * 240 + premiere * 2000 + place + 1,
               %(shows)s + %(gap_rule)s + premiere + 1, chr(65 + place / 80), 1 + place %% 80, 15
          FROM generate_series(0, %(premieres)s - 1) AS premiere,
               generate_series(0, 1999) AS place
        """,
        """
        INSERT INTO bookings (id, user_id, show_id, seat_id)
        SELECT id, 1 + id %% %(users)s, show_id, id FROM seats WHERE status = 'booked'
        """,
        "SELECT setval(pg_get_serial_sequence('bookings', 'id'), (SELECT max(id) FROM seats))",
        "VACUUM ANALYZE",
    )

    def __init__(self, *, url: str, size: Size, jwt_key: str) -> None:
        super().__init__(url=url, size=size)
        self._jwt_key = jwt_key

    def password_hash(self) -> str:
        return hashpw(PASSWORD.encode(), gensalt(10)).decode()

    def tokens(self) -> list[str]:
        return [
            jwt.encode({"id": user_id}, self._jwt_key, algorithm="HS256")
            for user_id in range(1, CUSTOMERS + 1)
        ]
