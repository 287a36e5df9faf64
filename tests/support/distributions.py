"""Write distributions as an installer does."""

import textwrap


def install(folder, module, source):
    """Write a distribution with one module, which its entry point announces to invtime."""
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    name = module.replace("_", "-")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[invtime]\nplugin = {module}\n")
    (folder / f"{module}.py").write_text(textwrap.dedent(source))
