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


def _of(length: int, letters: str = "aB3dE5gH7jK9mN1p") -> str:
    return (letters * length)[:length]


_HEX = "0a1b2c3d4e5f6789"
SHAPES = (
    _case("aws", "ABSK" + _of(120)),
    _case("gitlab", "glrt-" + _of(20)),
    _case("google", "ya29." + _of(60)),
    _case("google", "1//" + "0g" + _of(80)),
    _case("slack", "xapp-" + "1-A0123456789-1234567890123-" + _of(64, _HEX)),
    _case("slack", "xoxc-" + "123456789012-abcdef"),
    _case("groq", "gsk_" + _of(52)),
    _case("xai", "xai-" + _of(80)),
    _case("perplexity", "pplx-" + _of(48)),
    _case("nvidia", "nvapi-" + _of(64)),
    _case("cerebras", "csk-" + _of(48)),
    _case("replicate", "r8_" + _of(37)),
    _case("fireworks", "fw_" + _of(24)),
    _case("elevenlabs", "sk_" + _of(48, _HEX)),
    _case("jina", "jina_" + _of(60)),
    _case("langsmith", "lsv2_" + "pt_" + _of(32, _HEX) + "_" + _of(10, _HEX)),
    _case("tavily", "tvly-" + "dev-" + _of(32)),
    _case("pinecone", "pcsk_" + _of(60)),
    _case("databricks", "dapi" + _of(32, _HEX)),
    _case("notion", "ntn_" + _of(46)),
    _case("notion", "secret_" + _of(43)),
    _case("linear", "lin_" + "api_" + _of(40)),
    _case("figma", "figd_" + _of(40)),
    _case("atlassian", "ATATT3" + "xFfGF0" + _of(170) + "=ABCD1234"),
    _case("vault", "hvs." + _of(24)),
    _case("vault", "hvb." + _of(140)),
    _case("terraform", "atlasv1." + _of(67), "the key is aB3dE5gH7jK9mN.{} and that is all"),
    _case("digitalocean", "dop_" + "v1_" + _of(64, _HEX)),
    _case("shopify", "shpat_" + _of(32, _HEX)),
    _case("brevo", "xkeysib-" + _of(64, _HEX) + "-" + _of(16)),
    _case("square", "sq0atp-" + _of(22)),
    _case("doppler", "dp.pt." + _of(43)),
    _case("docker", "dckr_" + "pat_" + _of(27)),
    _case("supabase", "sbp_" + _of(40, _HEX)),
    _case("supabase", "sb_" + "secret_" + _of(31)),
    _case("planetscale", "pscale_" + "tkn_" + _of(43)),
    _case("postman", "PMAK-" + _of(24, _HEX) + "-" + _of(34, _HEX)),
    _case("new relic", "NRAK-" + _of(27, "A1B2C3D4")),
    _case("grafana", "glsa_" + _of(32) + "_" + _of(8, _HEX)),
    _case("hubspot", "pat-" + "na1-0a1b2c3d-4e5f-6789-0a1b-2c3d4e5f6789"),
    _case("age", "AGE-SECRET-" + "KEY-1" + _of(58, "QPZRY9X8GF2TVDW0")),
    _case("bearer", _of(40, "abDeFgHIjKLmnO"), "the bearer {}"),
    _case("bearer", b64("user:passw" + "ord"), "it sends Basic {}"),
    _case("bearer", b64("user:" + "pässwörd"), "'Authorization': 'Basic {}'"),
    _case("github", "ghp\\_" + _of(36), "in Markdown: {}"),
    _case("github", "github\\_pat\\_" + _of(22) + "\\_" + _of(59), "in Markdown too: {}"),
    _case("stripe", "sk\\_" + "live\\_" + _of(24), "and this, *{}*"),
    _case("anthropic", "sk\\-ant\\-" + "api03\\-" + _of(40), "as a list: {}"),
    _case("github", "ghp_" + _of(36), "token{}"),
    _case("aws", "AKIA" + "IOSFODNN7EXAMPLE", "1{} is it"),
    _case("github", "ghp_" + _of(36), "\\u001b[31m{}\\u001b[0m"),
    _case("token", _of(40), "git clone https://{}@example.com/x/y.git"),
    _case("token", _of(40, _HEX), "https://{}@errors.example.com/42"),
    _case("token", _of(43) + "%3D", "https://a.example.net/c?sv=2022&sig={}"),
    _case("token", _of(64, _HEX), "https://b.example.net/c?X-Amz-Signature={}"),
    _case("token", _of(39), "https://x.example.com/v1?key={}&q=1"),
    _case("token", _of(40), "Cookie: a=1; session={}; b=2"),
    _case("token", _of(32, _HEX), "Set-Cookie: PHPSESSID={}; path=/"),
)
"""The other kinds, which take the same way through the code as some of these below."""

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
    _case("bearer", b64("user:" + "passw0rd123"), "-H Authorization: Basic {}"),
    _case("sendgrid", "SG." + "aB3dE5gH7jK9mN1pQrStUv.aB3dE5gH7jK9mN1pQrStUvWxYz0123456789AbCdEfG"),
    _case("token", "aB3dE5gH7jK9mN1pQrStUvWxYz", "https://{}@example.com/x"),
    _case("github", "ghp_" + "a1B2" * 9, "grep: \x1b[01;31m\x1b[K{}\x1b[m\x1b[K"),
    _case("github", "ghp_" + "a1B2" * 9, "log: \\x1b[32m{}\\x1b[0m"),
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
    Case("anthropic", f"\x1b[31m{KEY[:7]}\x1b[m{KEY[7:]} is the key", (KEY[7:],)),
    Case("anthropic", f"a key\u200b {KEY[:15]}\ufeff{KEY[15:]}\r that is hidden", (KEY[:15], KEY[15:])),
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
    "Basic understanding, basic training and basic HTTP/1.1; Bearer tokens and bearer authentication2",
    "Authorization: Bearer YourAccessTokenForTheApi",
    "Authorization: Basic credentials",
    "https://my-organization-2024@dev.example.com/my-project-1/_git/repository",
    "https://first.last.of.the.team@example.com/x",
    "https://example.com/a?key=spring-collection-of-2024&sig=none&session=2024-06-01-afternoon",
    "session=requests.Session(), session = self.session_factory_v2.create",
    "pplx-70b-online, nvapi-endpoints-of-the-next-generation, tvly-python-client",
    "fw_update_of_the_firmware and r8_register and secret_santa_for_the_whole_department",
    "dp.pt.x and SG.series and hvs.list; lin_api_client_for_the_backend_of_the_app",
    "the file dapi_specification_of_the_interface.yaml, pat-test-cases-of-the-suite",
    r"a\_b\_c, C:\dir\_cache\-1 and [\w\-]{20}, snake\_case\_names\_of\_markdown",
    "task-ant-v1-and-v2-of-the-model, desk-proj-2024-budget-for-the-office-q1-q2",
    "\x1b[1m\x1b[32mPASSED\x1b[0m tests/test_a.py::test_b \x1b[33m[100%]\x1b[0m",
    "10%\r50%\r100%\r\nso\u00adft hy\u00adphens, zero\u200bwidth, 👩\u200d🔬 ⚠\ufe0f \ufeffmark",
    "![image](data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA)",
    "understanding\nresponsibilities\ntelecommunications",
)
