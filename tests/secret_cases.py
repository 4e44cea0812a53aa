"""Texts with secrets in them, made up and put together here, so that nobody takes them for real ones."""

import base64
from typing import NamedTuple

KEY = "sk-ant-" + "api03-abcdEFGH1234_-abcdEFGH1234"
JWT = ".".join(("eyJ" + "hbGciOiJIUzI1NiJ9", "eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0", "dozjgNryP4J3jVmNHl0w5N"))
BEGIN, END = ("-----" + f"{what} RSA PRIVATE KEY-----" for what in ("BEGIN", "END"))
BODY = "\n".join("MIIEowIBAAKCAQEA" + str(number) * 40 for number in range(1, 4))
PASSWORD = "correct-" + "horse-battery"
HIDDEN = "hunter2" + "pwX9"


class Case(NamedTuple):
    kind: str
    text: str
    secret: tuple[str, ...]
    """What must not be left; its parts, where it is split."""


def _case(kind: str, secret: str, text: str = "the key is {} and that is all") -> Case:
    return Case(kind, text.format(secret), (secret,))


def b64(text: str, *, before: str = "") -> str:
    return base64.b64encode((before + text).encode()).decode()


ONE_LINE = (
    _case("anthropic", KEY),
    _case("openai", "sk-" + "proj-abcdEFGH1234abcdEFGH1234abcd"),
    _case("openai", "sk-" + "svcacct-abcdEFGH1234abcdEFGH1234abcd"),
    _case("openai", "sk-" + "abcdEFGH1234" * 4),
    _case("openai", "sk-" + "or-v1-0123456789abcdef0123456789abcdef"),
    _case("aws", "AKIA" + "IOSFODNN7EXAMPLE"),
    _case("aws", "ASIA" + "A1" * 8),
    _case("github", "ghp_" + "a1B2" * 9),
    _case("github", "github_pat_" + "11ABCDEFG0abcdefghijkl_mnop"),
    _case("gitlab", "glpat-" + "aB3_" * 5),
    _case("google", "AIza" + "A" * 35),
    _case("slack", "xoxb-" + "123456789012-abcdef"),
    _case("slack", "T01234567/" + "B01234567/aB3aB3aB3aB3aB3aB3", "https://hooks.slack.com/services/{}"),
    _case("stripe", "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc"),
    _case("huggingface", "hf_" + "aB3" * 11),
    _case("npm", "npm_" + "aB3c" * 9),
    _case("pypi", "pypi-" + "AgEIcHlwaS5vcmcCJDAwMDAwMDAw"),
    _case("jwt", JWT),
    _case("telegram", "123456789:" + "AA" + "aB3_" * 8 + "z"),
    _case("password", HIDDEN, "postgres://bob:{}@db/x"),
    _case("password", HIDDEN, "redis://:{}@cache:6379"),
    _case("bearer", "abcdef" + "1234567890", "Authorization: Bearer {}"),
    _case("bearer", "Ym9iOmh1bnRlcjI=", "authorization: basic {}"),
    _case("password", PASSWORD, 'DB_PASSWORD="{}"'),
    _case("password", PASSWORD, "DB_PASSWORD={}"),
    _case("password", HIDDEN, "password: {}!"),
    _case("password", HIDDEN, '{{"user": "bob", "password": "{}"}}'),
    _case("password", HIDDEN, r"{{\"password\": \"{}\"}}"),
    _case("password", "abcd1234" + "efgh5678", "api_key: {}"),
    _case("password", "abcd1234" + "efgh5678", "https://example.com/cb?access_token={}&state=1"),
    _case("password", "aB3+" * 21 + "ab==", "AccountKey={};EndpointSuffix=core.windows.net"),
    _case("anthropic", KEY, "error: 'line\\n{}'"),
    _case("anthropic", KEY, "鍵は{}です"),
    _case("encoded", b64(KEY)),
    _case("encoded", b64(KEY, before="a ").rstrip("=")),
    _case("encoded", b64(KEY, before="to ")),
    _case("encoded", base64.urlsafe_b64encode(f"??>>{KEY} ~~~".encode()).decode()),
    _case("encoded", b64(f"postgres://bob:{HIDDEN}@db/x")),
    _case("encoded", b64(f'DB_PASSWORD="{PASSWORD}"')),
    _case("encoded", b64(f"{BEGIN}\n{BODY}\n{END}\n")),
)
_ENCODED = b64(f"{KEY} and {KEY}")
MANY_LINES = (
    Case(
        "anthropic", f"my key\n{KEY[:13]}\n   {KEY[13:25]}\n   {KEY[25:]}\nand more", (KEY[13:25], KEY[25:])
    ),
    Case("anthropic", f"> {KEY[:20]}\n> {KEY[20:]}\n> thanks", (KEY[20:],)),
    Case("anthropic", f'key = "{KEY[:9]}" \\\n    "{KEY[9:]}"\n', (KEY[9:],)),
    Case("anthropic", f"key = ('{KEY[:20]}' +\n       '{KEY[20:]}')\n", (KEY[20:],)),
    Case("anthropic", f"export KEY={KEY[:20]}\\\n{KEY[20:]}\n", (KEY[20:],)),
    Case("aws", "id: AKIA" + "IOSF\nODNN7EXAMPLE\nnext", ("ODNN7EXAMPLE",)),
    Case("jwt", f"{JWT[:30]}\n{JWT[30:60]}\n{JWT[60:]}\n", (JWT[30:60], JWT[60:])),
    Case("password", f'PASSWORD = "{PASSWORD[:8]}" \\\n   "{PASSWORD[8:]}"', (PASSWORD[8:],)),
    Case("password", f'"password": "{HIDDEN[:6]}\n   {HIDDEN[6:]}1"', (HIDDEN[6:],)),
    Case("private key", f"so {BEGIN}\n{BODY}\n{END} it is", tuple(BODY.split("\n"))),
    Case(
        "private key", f"> {BEGIN}\n> " + BODY.replace("\n", "\n> ") + f"\n> {END}", tuple(BODY.split("\n"))
    ),
    Case("private key", f"{BEGIN}\n{BODY}", tuple(BODY.split("\n"))),
    Case("private key", f"{BODY}\n{END}", tuple(BODY.split("\n"))),
    Case("encoded", f"hello\n{_ENCODED[:40]}\n{_ENCODED[40:]}\nbye", (_ENCODED[:40], _ENCODED[40:])),
)
CASES = ONE_LINE + MANY_LINES

HARMLESS = (
    "the sk-learn package",
    "task-ant-colony-optimisation",
    "sk-learn-compatible-estimators-in-python",
    "desk-project-abcdefghijklmnopqrstuvwxyz",
    "risk-assessment-for-the-quarterly-report",
    "it uses sk-\nlearn and other modules",
    "sk-learn\nnumpy\npandas\nscikit-image\nmatplotlib\nPython3",
    "commit 3f2a1b4c5d6e7f8091a2b3c4d5e6f708192a3b4c",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "sha256:" + "ab" * 32,
    "base64 aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ=",
    b64("A harmless text that goes on for a while, and has nothing that anybody would want to hide. " * 3),
    "the token count is 12345678",
    "tokens: 1024 in, 300 out",
    "max_tokens=100000000",
    "password: required field",
    "the secret: state-of-the-art work",
    "the secret: base64-encoded data",
    "Bearer authentication is used; a clearer explanation follows",
    "secret = os.environ['X']",
    "api_key = os.getenv('OPENAI_API_KEY')",
    "api_key='OPENAI_API_KEY'",
    "Client(api_key=settings.api_key2, token=self.token)",
    "token = tokens[i+1]",
    "password: SecretStr = Field(min_length=8)",
    "if password == user.password1: ...",
    "export TOKEN=${GITHUB_TOKEN_V2}",
    "pad_token='<|endoftext|>'",
    "PWD=/var/lib/folder2",
    "https://user@example.com/path:8080",
    "see http://localhost:8080\nor mail to x@example.com",
    'url = f"postgres://{user}:{password}@{host}"',
    "A file that begins with " + BEGIN + " is a private key.",
    "| password | what-is-required-1 |\n|----------|--------------------|\n| token    | refresh_token      |",
    "VeryLongCamelCaseIdentifierOfAnAbstractFactoryBean",
    "guildhall/agents/models/anthropic_api/receiving/drafts",
    "understanding\nresponsibilities\ntelecommunications",
)
