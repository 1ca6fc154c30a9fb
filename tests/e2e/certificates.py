"""A certificate authority of the test's own, and a server's certificate."""

import subprocess


class Certificates:
    """Files `ca`, `chain` and `key`, for 127.0.0.1 and localhost."""

    def __init__(self, directory):
        self.directory = directory
        self.ca = directory / "ca.pem"
        self.chain = directory / "server.pem"
        self.key = directory / "server.key"
        self.make()

    def openssl(self, *args):
        subprocess.run(["openssl", *map(str, args)], cwd=self.directory,
                       check=True, capture_output=True)

    def make(self):
        request = self.directory / "server.csr"
        names = self.directory / "names"
        names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n"
                         "basicConstraints=critical,CA:FALSE\n"
                         "keyUsage=critical,digitalSignature,keyEncipherment\n"
                         "subjectKeyIdentifier=hash\n"
                         "authorityKeyIdentifier=keyid\n")
        new_key = ("req", "-newkey", "rsa:2048", "-nodes")
        self.openssl(*new_key, "-x509", "-days", 2, "-subj", "/CN=Test CA",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                     "-keyout", self.directory / "ca.key", "-out", self.ca)
        self.openssl(*new_key, "-subj", "/CN=localhost", "-keyout", self.key,
                     "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey",
                     self.directory / "ca.key", "-CAcreateserial", "-days", 2,
                     "-extfile", names, "-out", self.chain)
