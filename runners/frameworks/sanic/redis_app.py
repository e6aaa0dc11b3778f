"""The same app for several workers: what is said in a room reaches the members on all of them, through Redis."""

import app as one_process
from redis_rooms import RedisRooms
from sanic import HTTPResponse, Request, Sanic, Websocket, empty

app = Sanic("rtsite-redis", configure_logging=False)
app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 0.5
rooms = RedisRooms(one_process.broadcast)


@app.websocket("/room/<name>")
async def room(request: Request, websocket: Websocket, name: str) -> None:
    rooms.join(name, websocket)
    try:
        async for message in websocket:
            await rooms.publish(name, message)
    finally:
        rooms.leave(name, websocket)


@app.post("/publish/<name>")
async def post_to_room(request: Request, name: str) -> HTTPResponse:
    await rooms.publish(name, request.body.decode())
    return empty()


@app.before_server_start
async def start_delivering(app: Sanic) -> None:
    await rooms.start()


@app.after_server_stop
async def stop_delivering(app: Sanic) -> None:
    await rooms.stop()


app.add_route(one_process.healthz, "/healthz")
app.add_websocket_route(one_process.echo, "/echo")
app.add_websocket_route(one_process.dashboard, "/dashboard")
app.add_websocket_route(one_process.stream, "/stream")
app.add_websocket_route(one_process.work_in_thread, "/work")
app.add_websocket_route(one_process.work_inline, "/work-inline")
app.blueprint(one_process.private)
app.register_listener(one_process.start_pushing, "after_server_start")
app.register_listener(one_process.stop_pushing, "before_server_stop")
