"""A release is asked as a step of a pipeline would ask it."""

import asyncio
from pathlib import Path

import pytest

from synthvlm.cli.commands.doctor.dialling import dial
from synthvlm.cluster.examination.release import Release
from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.service import SERVICE
from synthvlm.finding import Finding
from synthvlm.serving.testing import serving
from tests.serving.certificates import Authority


async def test_a_release_that_answers_who_has_certificate_and_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    server_pair, client = authority.issue("server"), authority.issue("client")
    token = tmp_path / "token"
    token.write_text("right")
    settings = DatasetSettings(
        database=f"sqlite:///{tmp_path}/catalogue.db",
        store_roots=[tmp_path.as_uri()],
        token_file=token,
        tls_certificate_file=server_pair.certificate,
        tls_key_file=server_pair.key,
        tls_client_ca_file=authority.ca_file,
    )
    async with serving(SERVICE, settings) as server:
        store = (tmp_path / "store").as_uri()
        data = {"dataset_address": server.address, "store_uri": store}
        release = Release("synthvlm", "images", data)

        async def found() -> dict[str, Finding]:
            return {one.what: one for one in await asyncio.to_thread(lambda: list(dial(release)))}

        # Without a certificate nobody is there, as far as this one can tell.
        outside = await found()
        assert outside["answers: dataset"].state == outside["catalogue"].state == "missing"
        assert "SYNTHVLM_STEP_CA_FILE" in outside["answers: dataset"].mend
        assert outside["store"] == Finding("ok", "store", store)
        monkeypatch.setenv("SYNTHVLM_STEP_CA_FILE", str(authority.ca_file))
        monkeypatch.setenv("SYNTHVLM_STEP_CERTIFICATE_FILE", str(client.certificate))
        monkeypatch.setenv("SYNTHVLM_STEP_KEY_FILE", str(client.key))
        # Health is for everybody behind TLS, the catalogue for those with a token.
        without = await found()
        assert without["answers: dataset"].state == "ok"
        assert without["catalogue"].state == "missing"
        assert "SYNTHVLM_STEP_TOKEN_FILE" in without["catalogue"].mend
        monkeypatch.setenv("SYNTHVLM_STEP_TOKEN_FILE", str(token))
        inside = await found()
        assert {one.state for one in inside.values()} == {"ok"}
        assert inside.keys() == {"answers: dataset", "catalogue", "store"}
