"""Certificates of a cluster's programs, and the files with which they call its API."""

import base64
import json
import subprocess
from pathlib import Path

_CLIENT = "extendedKeyUsage=clientAuth\n"
_SERVER = (
    "extendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,"
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc\n"
)
CONTROLLERS = ("kube-controller-manager", "kube-scheduler")


def certificates(folder: Path) -> None:
    """Makes an authority, a key for ServiceAccounts, and a pair for each program, with openssl."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    def key(name: str) -> None:
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")

    def signed(name: str, subject: str, extensions: str) -> None:
        key(name)
        (folder / f"{name}.ext").write_text(extensions)
        request = ["-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr"]
        openssl("req", "-new", *request)
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "30", "-sha256", "-extfile", f"{name}.ext",
            "-out", f"{name}.crt",
        )  # fmt: skip

    key("sa")
    key("ca")
    openssl(
        "req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=kube-rig", "-days", "30",
        "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,digitalSignature,keyCertSign", "-out", "ca.crt",
    )  # fmt: skip
    signed("apiserver", "/CN=kube-apiserver", _SERVER)
    signed("admin", "/O=system:masters/CN=kube-rig-admin", _CLIENT)
    for name in CONTROLLERS:
        signed(name, f"/CN=system:{name}", _CLIENT)


def kubeconfig(folder: Path, identity: str, port: int) -> str:
    """The text of a kubeconfig for ``identity``, whose certificate is in ``folder``."""

    def data(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority-data": data("ca.crt"),
    }
    user = {
        "client-certificate-data": data(f"{identity}.crt"),
        "client-key-data": data(f"{identity}.key"),
    }
    context = {"cluster": "kube-rig", "user": identity, "namespace": "default"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "kube-rig",
        "clusters": [{"name": "kube-rig", "cluster": cluster}],
        "users": [{"name": identity, "user": user}],
        "contexts": [{"name": "kube-rig", "context": context}],
    }
    return json.dumps(content, indent=1)  # JSON is YAML
