"""lfs.py FOLDER PORT_FILE: a git-lfs server in small, for the test of pipelines/push-model.

Answers the batch API (https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md) with addresses of its own, and keeps
what is uploaded as FOLDER/OID. Logs each request's Authorization header to FOLDER/authorization.
"""
import hashlib
import http.server
import json
import os
import sys

folder = sys.argv[1]


class Server(http.server.BaseHTTPRequestHandler):
    def body(self):
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, status, content=b""):
        with open(os.path.join(folder, "authorization"), "a") as log:
            log.write("%s\n" % self.headers.get("Authorization"))
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.git-lfs+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        request = json.loads(self.body())
        if not self.path.endswith("/objects/batch"):
            return self.answer(404, b'{"message": "no locks here"}')
        objects = []
        for item in request["objects"]:
            there = os.path.exists(os.path.join(folder, item["oid"]))
            action = {"href": "http://%s/%s" % (self.headers["Host"], item["oid"])}
            if request["operation"] == "upload" and not there:
                item["actions"] = {"upload": action}
            objects.append(item)
        self.answer(200, json.dumps({"transfer": "basic", "objects": objects}).encode())

    def do_PUT(self):
        content, oid = self.body(), self.path.rpartition("/")[2]
        if hashlib.sha256(content).hexdigest() != oid:
            return self.answer(422)
        with open(os.path.join(folder, oid), "wb") as file:
            file.write(content)
        self.answer(200)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
with open(sys.argv[2] + ".new", "w") as port:
    port.write(str(server.server_port))
os.rename(sys.argv[2] + ".new", sys.argv[2])
server.serve_forever()
