"""hub.py FILE PORT_FILE: a model hub in small, for the test of pipelines/fetch.

Serves FILE under /plain, /linked (with the hub's X-Linked-* headers behind a redirect), /lying (a SHA-256 that is not the
file's) and /cut (whose first answer breaks off half way), and as each file of the models in MODELS; of owner/shards the
index names the shards. owner/gated is for the bearer of the token "secret", owner/damaged announces a wrong SHA-1, and the
weights of owner/cut break off once. Ranges are honoured. Logs the ranges asked for to FILE.log.
"""
import hashlib
import http.server
import os
import sys

ORIGINAL = open(sys.argv[1], "rb").read()
sha256 = hashlib.sha256(ORIGINAL).hexdigest()
cut = {"/cut", "/owner/cut/resolve/main/model.safetensors"}

SMALL = ("config.json", "tokenizer.json", "tokenizer_config.json", "README.md")
MODELS = {
    "owner/tiny": SMALL + ("vocab.txt", "model.safetensors"),
    "owner/shards": SMALL + ("model.safetensors.index.json", "a-1.safetensors", "a-2.safetensors"),
    "owner/gated": SMALL + ("model.safetensors",),
    "owner/damaged": SMALL + ("model.safetensors",),
    "owner/cut": SMALL + ("model.safetensors",),
    "owner/old": SMALL + ("pytorch_model.bin",),
}
INDEX = b'{"weight_map": {"x": "a-1.safetensors", "y": "a-2.safetensors", "z": "a-1.safetensors"}}'


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        if self.path in ("/linked", "/lying"):
            self.send_response(302)
            self.send_header("Location", "/plain")
            self.send_header("X-Linked-Size", str(len(ORIGINAL)))
            self.send_header("X-Linked-ETag", '"%s"' % (sha256 if self.path == "/linked" else "0" * 64))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        model, _, file = self.path[1:].partition("/resolve/main/")
        content = INDEX if file.endswith(".index.json") else ORIGINAL
        if self.path not in ("/plain", "/cut") and file not in MODELS.get(model, ()):
            self.send_error(404)
            return
        if model == "owner/gated" and self.headers.get("Authorization") != "Bearer secret":
            self.send_error(401)
            return
        start = 0
        asked = self.headers.get("Range")
        if asked:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if body:
                with open(sys.argv[1] + ".log", "a") as log:
                    log.write(asked + "\n")
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        if file:
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            self.send_header("ETag", '"%s"' % ("0" * 40 if model == "owner/damaged" else blob))
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(content) - 1, len(content)))
        self.end_headers()
        if not body:
            return
        part = content[start:]
        if self.path in cut:
            cut.discard(self.path)
            part = part[: len(part) // 2]
            self.close_connection = True
        self.wfile.write(part)

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
with open(sys.argv[2] + ".new", "w") as port:
    port.write(str(server.server_port))
os.rename(sys.argv[2] + ".new", sys.argv[2])
server.serve_forever()
