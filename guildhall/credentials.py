"""Files that are credentials, by their names: they are never read into a prompt."""

from fnmatch import fnmatchcase

SECRET_FOLDERS = frozenset({".git", ".ssh", ".aws", ".azure", ".docker", ".gnupg", ".kube"})
_CREDENTIALS = (
    ".env", ".env.*", "*.env", ".envrc", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".git-credentials", ".netrc", "_netrc", ".pgpass",
    ".htpasswd",
)  # fmt: skip
_MAY_HOLD_SOME = (
    "*.pem", "*.key", "credentials*", "*credentials.json", ".npmrc", ".pypirc", "secrets.*",
    "service_account*.json",
)  # fmt: skip
_HARMLESS = (".env.example", ".env.sample", ".env.template", ".env.dist", "id_*.pub")


def is_credentials(name: str) -> bool:
    """Whether a file of that name is nothing but credentials: `.env`, `id_rsa`, `.netrc`."""
    return _fits(name, _CREDENTIALS) and not _fits(name, _HARMLESS)


def may_hold_credentials(name: str) -> bool:
    """Whether a file of that name often holds some: `server.pem`, `.npmrc`, `credentials.json`."""
    return _fits(name, _MAY_HOLD_SOME)


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    name = name.lower()
    return any(fnmatchcase(name, pattern) for pattern in patterns)
