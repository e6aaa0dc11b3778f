"""The same app for several workers: what is said in a room reaches the members on all of them, through Redis."""

import app as one_process
from flask import Flask, request
from flask_sock import Sock
from redis_rooms import RedisRooms
from simple_websocket import Server

app = Flask(__name__)
sock = Sock(app)
rooms = RedisRooms(one_process.broadcast)


@sock.route("/room/<name>")
def room(ws: Server, name: str) -> None:
    member = one_process.Member(ws)
    rooms.join(name, member)
    try:
        while True:
            message = ws.receive()
            if isinstance(message, str):
                rooms.publish(name, message)
    finally:
        rooms.leave(name, member)


@app.post("/publish/<name>")
def post_to_room(name: str) -> tuple[str, int]:
    rooms.publish(name, request.get_data(as_text=True))
    return "", 204


views = one_process.app.view_functions
app.add_url_rule("/healthz", view_func=views["healthz"])
app.add_url_rule("/echo", view_func=views["echo"], websocket=True)
app.add_url_rule("/dashboard", view_func=views["dashboard"], websocket=True)
app.add_url_rule("/stream", view_func=views["stream"], websocket=True)
app.add_url_rule("/work", view_func=views["work"], websocket=True)
app.add_url_rule("/work-inline", view_func=views["work_inline"], endpoint="work_inline", websocket=True)
app.register_blueprint(one_process.members_only)
rooms.start()
