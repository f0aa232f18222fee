"""hub.py FILE PORT_FILE: a model hub in small, for the test of pipelines/fetch.

Serves FILE under /plain, /owner/tiny/resolve/main/ANYTHING, /linked (with the hub's X-Linked-* headers behind a redirect),
/lying (a SHA-256 that is not the file's) and /cut (whose first answer breaks off half way). Ranges are honoured. Logs the ranges asked for to FILE.log.
"""
import hashlib
import http.server
import os
import sys

content = open(sys.argv[1], "rb").read()
sha256 = hashlib.sha256(content).hexdigest()
cut = {"/cut"}


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        if self.path in ("/linked", "/lying"):
            self.send_response(302)
            self.send_header("Location", "/plain")
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Linked-ETag", '"%s"' % (sha256 if self.path == "/linked" else "0" * 64))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path not in ("/plain", "/cut") and not self.path.startswith("/owner/tiny/resolve/main/"):
            self.send_error(404)
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
