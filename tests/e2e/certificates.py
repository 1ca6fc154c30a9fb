# SPDX-License-Identifier: MIT
"""A certificate authority of the test's own, and a server's certificate."""

import subprocess


# Made in a hundredth of the time that a key for RSA takes.
EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


class Certificates:
    """Files `ca`, `chain` and `key`, for 127.0.0.1 and localhost: those are of RSA."""

    def __init__(self, directory):
        self.directory = directory
        self.ca = directory / "ca.pem"
        self.chain = directory / "server.pem"
        self.key = directory / "server.key"
        self.make()

    def openssl(self, *args):
        subprocess.run(["openssl", *map(str, args)], cwd=self.directory,
                       check=True, capture_output=True)

    def issue(self, name, names="IP:127.0.0.1,DNS:localhost", key=None,
              expired=False, usage="serverAuth"):
        """One more certificate of the authority: (chain, key). `key`: as for OpenSSL's
        -newkey, or one on a curve."""
        chain, private = (self.directory / f"{name}.{end}"
                          for end in ("pem", "key"))
        request, extensions = (self.directory / f"{name}.{end}"
                               for end in ("csr", "ext"))
        extensions.write_text(f"subjectAltName={names}\n"
                              f"extendedKeyUsage={usage}\n")
        self.openssl("req", "-newkey", *((key,) if key else EC), "-nodes", "-subj",
                     f"/CN={name}", "-keyout", private, "-out", request)
        signed = ("-cert", self.ca, "-keyfile", self.directory / "ca.key")
        config = self.directory / "ca.cnf"
        if not config.exists():
            (self.directory / "index").write_text("")
            config.write_text(
                "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\n"
                "rand_serial=yes\ndefault_md=sha256\npolicy=any\n"
                "unique_subject=no\n[any]\ncommonName=supplied\n")
        dates = ("200101000000Z", "200102000000Z") if expired else (
            "200101000000Z", "400101000000Z")
        self.openssl("ca", "-batch", "-notext", "-config", config, *signed,
                     "-in", request, "-out", chain, "-startdate", dates[0],
                     "-enddate", dates[1], "-extfile", extensions)
        return chain, private

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
