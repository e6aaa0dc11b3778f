"""The choice of the codec that a job's connections use."""

from __future__ import annotations

from runners.loadgen import message, packed
from runners.loadgen.job import Job
from runners.loadgen.message import Codec


def codec_for(job: Job, client: int) -> Codec:
    """The codec of one connection of a job; raises `ValueError` if there is none."""
    match job.exchange, job.serializer:
        case "echo", "json":
            return message.echo_codec(
                client,
                job.payload_bytes,
                job.protocol,
                job.payload_kind,
                job.answers,
                namespace=job.client.namespace,
                event=job.client.event,
            )
        case "room", "json":
            return message.room_codec(job.payload_bytes, job.protocol)
        case (("dashboard" | "events"), "json"):
            return message.DashboardCodec(client, job.protocol)
        case "echo", "msgpack":
            return packed.PackedEchoCodec(
                client,
                job.payload_bytes,
                job.answers,
                namespace=job.client.namespace,
                event=job.client.event,
            )
        case "dashboard", "msgpack":
            return packed.PackedDashboardCodec(client)
        case exchange, serializer:
            raise ValueError(f"the load generator has no {exchange} exchange in {serializer}")
