"""The choice of the codec that a job's connections use."""

from __future__ import annotations

from runners.loadgen import message, own_codec, packed
from runners.loadgen.job import Job
from runners.loadgen.message import Codec


def codec_for(job: Job, client: int) -> Codec:
    """The codec of one connection of a job; raises `ValueError` if there is none."""
    match job.exchange, job.serializer:
        case "echo", "json" if job.own is not None:
            return own_codec.OwnCodec(job.own, client, job.payload_bytes, job.answers)
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
        case "room", _:
            return room_codec_for(job, 0)
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


def room_codec_for(job: Job, room: int) -> Codec:
    """The codec of the members of a room of a job, by the room's number."""
    if job.serializer == "msgpack":
        return packed.PackedRoomCodec(job.payload_bytes, room)
    return message.room_codec(job.payload_bytes, job.protocol, room)
