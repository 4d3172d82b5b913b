"""``synthvlm engines``: the components of pipelines as ONNX graphs and TensorRT engines."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from synthvlm import __version__
from synthvlm.cli import inputs
from synthvlm.cli.commands.engines.builder import run_builder
from synthvlm.cli.commands.engines.sets import engine_set, engine_sets
from synthvlm.cli.failures import WrongUsageError
from synthvlm.cli.options import (
    HomeOption,
    JsonOption,
    ProfileOption,
    chosen_home,
    prepared_home,
)
from synthvlm.cli.terminal.output import print_json, stderr_console, stdout_console
from synthvlm.cluster.engine_job import EngineJob
from synthvlm.cluster.objects import as_yaml
from synthvlm.profiles import load_profile, setting
from synthvlm.storage import Store, open_store, parse_location

app = typer.Typer(
    no_args_is_help=True,
    help="Export components to ONNX; build and inspect TensorRT engines. Example: "
    "synthvlm engines export --to onnx",
)

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URI",
        help="Object store for the engines.",
        show_default="the profile's tensorrt.store, else the home's store",
    ),
]


class Configuration(StrEnum):
    """Full-size configurations whose components can be exported with random weights."""

    SDXL = "sdxl"


class Precision(StrEnum):
    """Precisions of a component with random weights."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


@app.command("build")
def build(
    context: typer.Context,
    profile: ProfileOption = "single-gpu-tensorrt",
    store: StoreOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Build the TensorRT engines of a profile for the GPU of this machine.

    Exports every component, compares it with PyTorch, builds its engine, compares that too, and
    commits all together. Engines that exist already are not built again.

    [dim]Example:[/] synthvlm engines build --profile single-gpu-tensorrt --store s3://bucket/synthvlm
    """
    reference = inputs.profile_reference(profile)
    place = prepared_home(context, home)
    uri = store or _profile_store(reference) or place.store_uri
    result = _run("tensorrt", ["--profile", reference, "--store", uri], json=json)
    if json:
        print_json(result)
        return
    stdout_console().say(f"{'found' if result['found'] else 'built'} {result['path']} in {uri}")


@app.command("export")
def export(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder for the graphs.")],
    profile: ProfileOption = "mini",
    configuration: Annotated[
        Configuration | None,
        typer.Option(
            "--configuration", help="A full-size component with random weights, not a profile's."
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="COMPONENT", help="With --configuration: the component."),
    ] = None,
    dtype: Annotated[
        Precision, typer.Option("--dtype", help="With --configuration: the precision.")
    ] = Precision.FLOAT32,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="With --configuration: compare with PyTorch.")
    ] = True,
    json: JsonOption = False,
) -> None:
    """Export components to ONNX and compare them with PyTorch; needs no GPU.

    [dim]Examples:[/] synthvlm engines export --profile mini --to onnx
    synthvlm engines export --configuration sdxl --only text_encoder --to onnx
    """
    folder = inputs.output_folder("--to", to)
    if configuration is None:
        if only is not None:
            raise WrongUsageError("--only names a component of --configuration")
        arguments = ["model", "--profile", inputs.profile_reference(profile)]
    else:
        if only is None:
            raise WrongUsageError("--configuration needs --only COMPONENT")
        arguments = ["random", "--only", only, "--dtype", dtype.value]
        arguments += [] if check else ["--no-check"]
    result = _run("onnx", [*arguments, "--to", str(folder.absolute())], json=json)
    if json:
        print_json(result)
        return
    stderr_console().say(
        f"graphs and weights are in {folder} (peak memory {result['peak_mib']:,} MiB)"
    )


@app.command("list")
def list_engines(
    context: typer.Context,
    store: StoreOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """List the sets of TensorRT engines in a store.

    [dim]Example:[/] synthvlm engines list --store s3://bucket/synthvlm
    """
    place = _store(context, store, home)
    found = list(engine_sets(place))
    if json:
        print_json([one.to_json() for one in found])
        return
    if not found:
        stdout_console().say(f"no engines in {place.uri}; make some with `synthvlm engines build`")
        return
    table = Table("id", "model", "TensorRT", "SM", "precision", "size", box=None)
    for one in found:
        configuration = one.manifest.configuration
        table.add_row(
            one.id[:12],
            one.manifest.model_digest[7:19],
            str(configuration["tensorrt"]),
            str(configuration["sm"]),
            str(configuration["precision"]),
            f"{one.bytes / 2**20:,.1f} MiB",
        )
    stdout_console().print(table)


@app.command("show")
def show(
    context: typer.Context,
    engine_id: Annotated[str, typer.Argument(metavar="ID", help="The id, or its beginning.")],
    store: StoreOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a set of TensorRT engines contains and was built for.

    [dim]Example:[/] synthvlm engines show 3f2a
    """
    content = engine_set(_store(context, store, home), engine_id).to_json()
    if json:
        print_json(content, indent=2)
    else:
        stdout_console().print_json(data=content)


@app.command("job")
def print_job(
    gpu: Annotated[str, typer.Option("--gpu", metavar="PRODUCT", help="As in the node label.")],
    profile: ProfileOption = "single-gpu-tensorrt",
    store: StoreOption = None,
    image: Annotated[
        str, typer.Option("--image", metavar="IMAGE", help="Container image with TensorRT.")
    ] = f"synthvlm/generation:{__version__}",
    namespace: Annotated[
        str | None, typer.Option("--namespace", metavar="NAME", help="Namespace.")
    ] = None,
    models_claim: Annotated[
        str | None,
        typer.Option("--models-claim", metavar="NAME", help="Volume claim, mounted at /models."),
    ] = None,
    service_account: Annotated[
        str | None,
        typer.Option("--service-account", metavar="NAME", help="One that may write to the store."),
    ] = None,
    credentials: Annotated[
        str | None,
        typer.Option(
            "--credentials", metavar="NAME", help="Existing Secret with the store's credentials."
        ),
    ] = None,
) -> None:
    """Print the Kubernetes Job that builds the engines of a profile on one GPU product.

    [dim]Example:[/] synthvlm engines job --gpu NVIDIA-H100-80GB-HBM3 --store s3://bucket/synthvlm
    """
    reference = inputs.profile_reference(profile)
    uri = store or _profile_store(reference)
    if uri is None:
        raise WrongUsageError("give --store, or tensorrt.store in the profile")
    job = EngineJob(
        gpu=gpu,
        image=image,
        store=uri,
        generation=load_profile(reference).section("generation"),
        namespace=namespace,
        models_claim=models_claim,
        service_account=service_account,
        credentials=credentials,
    )
    typer.echo(as_yaml(job.objects()), nl=False)


def _profile_store(reference: str) -> str | None:
    named = setting(load_profile(reference).sections, "generation", "tensorrt", "store")
    return None if named is None else str(named)


def _store(context: typer.Context, store: str | None, home: Path | None) -> Store:
    if store is not None:
        return open_store(parse_location(store))
    return open_store(chosen_home(context, home).store_location)


def _run(room: str, arguments: list[str], *, json: bool) -> dict[str, Any]:
    """Runs the builder, and shows each component when it is done."""
    components: list[dict[str, Any]] = []
    errors = stderr_console()
    with errors.status("Loading the models") as status:

        def heard(component: dict[str, Any]) -> None:
            components.append(component)
            status.update(f"{len(components)} components done, last {component['component']}")

        result = run_builder(room, arguments, heard)
    if not json:
        stdout_console().print(_table(components))
    return {**result, "exported": components}


def _table(components: list[dict[str, Any]]) -> Table:
    table = Table("component", "class", box=None)
    for heading in ("parameters", "precision", "difference", "size", "seconds"):
        table.add_column(heading, justify="right")
    for one in components:
        difference = one["difference"]
        table.add_row(
            one["component"],
            one["kind"],
            f"{one['parameters']:,}",
            one["precision"],
            "not compared" if difference is None else f"{difference:.1e}",
            f"{one['bytes'] / 2**20:,.1f} MiB",
            f"{one['seconds']:.1f}",
        )
    return table
