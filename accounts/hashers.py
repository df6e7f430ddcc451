"""How passwords are stored."""

from django.contrib.auth.hashers import Argon2PasswordHasher, BCryptPasswordHasher


class LeanArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id as OWASP's password storage cheat sheet advises: 7 MiB, t=5, p=1.

    Of the parameters it calls equally strong, these need the least memory: more does not fit
    the processor's caches, and the system provides it page by page. Django's default takes
    100 MiB per hash, so a few simultaneous logins exhaust a small machine.
    """

    time_cost = 5
    memory_cost = 7 * 1024  # KiB
    parallelism = 1


class OriginalBcryptPasswordHasher(BCryptPasswordHasher):
    """Verifies `bcrypt$` + the hash as the original system's bcryptjs wrote it.

    Not the preferred hasher, so a login replaces such a hash by Argon2.
    """

    # The original cut passwords off here, and bcrypt 5 raises ValueError.
    longest = 72  # bytes

    def verify(self, password: str, encoded: str) -> bool:
        whole = password.encode()
        # Hashed all the same, so that every refusal takes the same time.
        matches = super().verify(whole[: self.longest].decode(errors="ignore"), encoded)
        return matches and len(whole) <= self.longest
