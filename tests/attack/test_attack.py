"""Whatever is sent to the services, they answer, keep going, and stay small.

The short form, of some attempts of each kind and a fixed seed, is part of all tests; ``make
test-attack`` goes on for as long as it is given.
"""

from collections.abc import Callable

import grpc
import pytest

from synthvlm.caption.v1 import caption_pb2
from tests.attack import caption_files, connections, images, rpcs, sizes, stores, uris
from tests.attack.conftest import Attacked
from tests.attack.watch import Watch
from tests.contracts.words import SERVICES, declared

Begin = Callable[[str], Watch]
CAPTION = "/synthvlm.caption.v1.CaptionService/"
EVALUATE_FILE, IMPORT_CAPTIONS = CAPTION + "EvaluateFile", CAPTION + "ImportCaptions"


@pytest.mark.parametrize("word", SERVICES)
def test_calls(attacked: Attacked, watch: Begin, word: str) -> None:
    target, methods = attacked.services[word], list(declared(word).methods)
    with watch(f"calls of {word}") as one:
        for random in one.attempts(share=0.16, short=200):
            # Most that take longer are valid: the service has to see that the caller left.
            call = rpcs.any_call(random, methods, attacked.valid)
            one.record(call.send(target, seconds=2))


@pytest.mark.parametrize("word", SERVICES)
def test_sizes(attacked: Attacked, watch: Begin, word: str) -> None:
    target, methods = attacked.services[word], list(declared(word).methods)
    with watch(f"sizes, {word}") as one:
        for random in one.attempts(share=0.02, short=5):
            one.record(sizes.large_call(random, random.choice(methods)).send(target))


def test_images(attacked: Attacked, watch: Begin) -> None:
    path = rpcs.path_of(declared("alignment").methods_by_name["ScorePairs"])
    with watch("images") as one:
        for random in one.attempts(share=0.07, short=40):
            one.record(attacked.services["alignment"].call(path, images.pairs(random)))


def test_uris(attacked: Attacked, watch: Begin) -> None:
    methods = {
        f"{method.containing_service.name}.{method.name}": (word, method)
        for word in SERVICES
        for method in declared(word).methods
        if {"store", "file", "destination_uri"} & set(method.input_type.fields_by_name)
    }
    outside = sorted(attacked.root.parent.iterdir())
    with watch("URIs") as one:
        for random in one.attempts(share=0.05, short=200):
            name = random.choice(sorted(methods))
            word, method = methods[name]
            request = uris.with_uri(random, attacked.valid[name], str(attacked.root))
            outcome = attacked.services[word].call(
                rpcs.path_of(method), request.SerializeToString()
            )
            one.record(outcome)
            assert uris.PASSWORD not in outcome.details, one.where
            assert not any(uris.SECRET in answer for answer in outcome.answers), one.where
            assert sorted(attacked.root.parent.iterdir()) == outside, one.where
            assert [path.name for path in attacked.secret.iterdir()] == ["captions.txt"], one.where


def test_caption_files(attacked: Attacked, watch: Begin) -> None:
    target = attacked.services["caption"]
    with watch("caption files") as one:
        for random in one.attempts(share=0.07, short=50):
            ending, data = caption_files.any_file(random)
            file = attacked.root / f"hostile.{ending}"
            file.write_bytes(data)
            layout = caption_files.any_layout(random)
            evaluate = caption_pb2.EvaluateFileRequest(file=str(file), layout=layout)
            load = caption_pb2.ImportCaptionsRequest(
                store={"uri": (attacked.root / "imported").as_uri()},
                files=[str(file)],
                layout=layout,
                max_set_aside=1.0,
            )
            evaluated = target.call(EVALUATE_FILE, evaluate.SerializeToString())
            one.record(evaluated)
            imported = target.call(IMPORT_CAPTIONS, load.SerializeToString())
            one.record(imported)
            file.unlink()
            # Both read the same file: whatever one counts, the other does.
            if evaluated.code is imported.code is grpc.StatusCode.OK:
                answers = map(caption_pb2.EvaluateFileResponse.FromString, evaluated.answers)
                records = sum(len(answer.verdicts) + len(answer.unreadable) for answer in answers)
                last = caption_pb2.ImportCaptionsResponse.FromString(imported.answers[-1])
                assert records == last.result.read, one.where


def test_connections(attacked: Attacked, watch: Begin) -> None:
    file = connections.large_file(attacked.root)
    caption = attacked.services["caption"]
    with watch("connections") as one:
        for random in one.attempts(share=0.04, short=12):
            if random.randrange(3):
                target = attacked.services[random.choice(SERVICES)]
                connections.no_grpc(random, target.process.address)
            else:
                connections.not_reading(random, caption, file)
            # The service has room for the next one at once.
            request = attacked.valid["CaptionService.EvaluateCaptions"].SerializeToString()
            outcome = caption.call(CAPTION + "EvaluateCaptions", request)
            one.record(outcome)
            assert outcome.code is grpc.StatusCode.OK, f"{one.where}: {outcome}"


def test_damaged_stores(attacked: Attacked, watch: Begin) -> None:
    expected = stores.made(stores.run(attacked.services, attacked.valid, attacked.copy.uri))
    assert len(expected) == len(stores.STAGES)
    with watch("damaged stores") as one:
        for random in one.attempts(share=0.05, short=24):
            damage = attacked.copy.damage(random)
            outcomes = stores.run(attacked.services, attacked.valid, attacked.copy.uri)
            attacked.copy.mend()
            for outcome in outcomes:
                one.record(outcome)
            refs = stores.made(outcomes)
            assert refs == expected[: len(refs)], f"{one.where}: {damage} gave another digest"
            last = outcomes[-1]
            if last.code is not grpc.StatusCode.OK:
                assert last.code is grpc.StatusCode.DATA_LOSS, f"{one.where}: {damage} {last}"
                assert damage.path in last.details, f"{one.where}: {damage} {last}"
