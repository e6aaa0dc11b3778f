"""``rtsite calibrate``: the load generator's limits on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from runners.application.calibration_run import calibrate_loadgen
from runners.calibration import SHARES_PERCENT, Calibration
from runners.cli.console import print_json, print_table, say
from runners.cli.options import JsonOption, app
from runners.record import RtsiteError


@app.command("calibrate")
def calibrate_command(
    window: Annotated[float, typer.Option(min=1.0, help="Length of each timed window in seconds.")] = 4.0,
    as_json: JsonOption = False,
) -> None:
    """Find the load generator's limits on this machine, and verify that it detects misbehaving servers.

    This takes about four minutes. Some servers delay, drop or corrupt messages on purpose. The load generator must
    measure each of these faults correctly. Example: rtsite calibrate --json
    """
    result = calibrate_loadgen(window, say)
    if as_json:
        print_json(result.to_json())
    else:
        _print_calibration(result)
    if not result.ok:
        missed = ", ".join(f"{proof.name} ({proof.protocol})" for proof in result.proofs if not proof.ok)
        raise RtsiteError(
            f"the load generator did not detect: {missed}; end other programs on this machine, then calibrate again"
        )


def _print_calibration(result: Calibration) -> None:
    print_table(
        [
            "protocol",
            "bytes",
            "compressed",
            "ceiling, msg/s",
            "load generator CPU, %",
            *[f"send lag p99 at {share} %, ms" for share in SHARES_PERCENT],
        ],
        [
            [
                f"{ceiling.protocol}, TLS" if ceiling.tls else ceiling.protocol,
                str(ceiling.payload_bytes),
                "yes" if ceiling.deflate else "no",
                f"{ceiling.messages_per_s:,.0f}",
                f"{ceiling.loadgen_cpu_percent:.0f}",
                *["–" if (lag := ceiling.send_lag_p99_ms[share]) is None else f"{lag:.4f}" for share in SHARES_PERCENT],
            ]
            for ceiling in result.ceilings
        ],
        title="Limits of one load generator process against a bare echo server",
    )
    print_table(
        ["fault", "protocol", "", "expected", "found"],
        [
            [proof.name, proof.protocol, "detected" if proof.ok else "MISSED", proof.expected, proof.found]
            for proof in result.proofs
        ],
        title="Faults of misbehaving servers",
    )
