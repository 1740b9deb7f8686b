# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects in S3: the only file that imports boto3. Objects come and go in pieces, in constant memory."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import threading
import time
from typing import Any, Dict, Iterator, List, Optional

from ..core.errors import BadInput, Failed, RunbookError, Unavailable
from ..core.imports import load
from .base import CHUNK, Storage, Stored, Upload, expect

#: (parts, bytes of each): S3 takes 10,000 parts of 5 MiB at least. Two are in memory at once, so they begin small. Together they hold
#: 123 GiB.
_PARTS = ((3000, 6 << 20), (4000, 12 << 20), (3000, 20 << 20))
#: Unfinished uploads are leftovers after this time; of younger ones nobody can tell whether they are being written.
_LEFTOVER_SECONDS = 86400
#: How often a broken download is taken up again, and the seconds in between.
_RESUMES = 4
_PAUSE_SECONDS = 1.0
_ABSENT = ("404", "NoSuchKey", "NotFound", "NoSuchUpload")
_ADVICE = {
    "NoSuchBucket": "Create the bucket, or check its name and endpoint_url.",
    "AccessDenied": "Grant this key s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload here.",
    "403": "Check access_key and secret_key, and that the key may use this bucket.",
    "InvalidAccessKeyId": "Check access_key.",
    "SignatureDoesNotMatch": "Check secret_key and region.",
    "PermanentRedirect": "The bucket is in another region; set region.",
    "301": "The bucket is in another region; set region.",
    "SlowDown": "The storage is overloaded; try again later.",
}


class S3Storage(Storage):
    """``prefix`` is empty or ends in ``/``; ``params`` are those of ``core.options.s3()``."""

    def __init__(self, bucket: str, prefix: str, params: Dict[str, Any]) -> None:
        if bool(params.get("access_key")) != bool(params.get("secret_key")):
            raise BadInput(
                "access_key and secret_key belong together, and only one of them is given.", "Give both or none."
            )
        if params.get("access_key") and params.get("profile"):
            raise BadInput("access_key and profile exclude each other.", "Give one of them.")
        self.bucket, self.prefix = bucket, prefix
        self.place = "s3://%s/%s" % (bucket, prefix)
        self._client = _client(params, self.place)

    def ask(self, what: str, operation: str, **arguments: Any) -> Dict[str, Any]:
        """One request.

        :raises Unavailable: with the storage's answer and what to do.
        """
        with _errors("%s failed" % what):
            return dict(getattr(self._client, operation)(Bucket=self.bucket, **arguments))

    def check(self) -> None:
        try:
            self.ask("The look at the bucket of %s" % self.place, "head_bucket")
        except _Answered as error:
            if error.code not in _ABSENT:
                raise
        else:
            self.ask("The look at %s" % self.place, "list_objects_v2", Prefix=self.prefix, MaxKeys=1)
            return
        raise BadInput("There is no bucket '%s'." % self.bucket, _ADVICE["NoSuchBucket"])

    def url(self, name: str) -> str:
        return self.place + name

    def list(self, prefix: str = "") -> List[Stored]:
        found: List[Stored] = []
        more: Dict[str, Any] = {}
        while True:
            page = self.ask("The list of %s" % self.place, "list_objects_v2", Prefix=self.prefix + prefix, **more)
            for one in page.get("Contents", []):
                name = one["Key"][len(self.prefix) :]
                if name and not name.endswith("/"):
                    found.append(Stored(name, int(one["Size"]), one["LastModified"].timestamp()))
            if not page.get("IsTruncated"):
                return sorted(found, key=lambda stored: stored.name)
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def stat(self, name: str) -> Optional[Stored]:
        try:
            found = self.ask("The look at %s" % self.url(name), "head_object", Key=self.prefix + name)
        except _Answered as error:
            if error.code in _ABSENT:
                return None
            raise
        return Stored(name, int(found["ContentLength"]), found["LastModified"].timestamp())

    def read(self, name: str, start: int = 0) -> Iterator[bytes]:
        seen = self.stat(name)
        if seen is None:
            raise BadInput("There is no %s." % self.url(name), "Check the name; nothing was done.")
        place, tag, resumes = start, None, 0
        while place < seen.size_bytes:
            try:
                same: Dict[str, str] = (
                    {"IfMatch": tag} if tag else {}
                )  # what is taken up again must still be the same object
                part = self.ask(
                    "Reading %s" % self.url(name),
                    "get_object",
                    Key=self.prefix + name,
                    Range="bytes=%d-" % place,
                    **same,
                )
                tag = part["ETag"]
                for chunk in self._body(part["Body"], "Reading %s broke off" % self.url(name)):
                    place += len(chunk)
                    yield chunk
                if place < seen.size_bytes:
                    raise Unavailable(
                        "Reading %s ended at byte %d of %d." % (self.url(name), place, seen.size_bytes),
                        "Check the storage and the network, and try again.",
                    )
            except _Answered:
                raise
            except Unavailable:
                resumes += 1
                if resumes > _RESUMES:
                    raise
                time.sleep(_PAUSE_SECONDS)

    @staticmethod
    def _body(body: Any, what: str) -> Iterator[bytes]:
        with contextlib.closing(body):
            while True:
                with _errors(what):
                    chunk = body.read(CHUNK)
                if not chunk:
                    return
                yield bytes(chunk)

    def create(self, name: str) -> Upload:
        return _S3Upload(self, name)

    def delete(self, name: str) -> None:
        self.ask("Removing %s" % self.url(name), "delete_object", Key=self.prefix + name)

    def _unfinished(self) -> List[Dict[str, Any]]:
        found = self.ask("The list of uploads to %s" % self.place, "list_multipart_uploads", Prefix=self.prefix)
        oldest = time.time() - _LEFTOVER_SECONDS
        return [one for one in found.get("Uploads", []) if one["Initiated"].timestamp() < oldest]

    def leftovers(self) -> List[str]:
        return ["s3://%s/%s" % (self.bucket, one["Key"]) for one in self._unfinished()]

    def clean(self) -> List[str]:
        removed = []
        for one in self._unfinished():
            address = "s3://%s/%s" % (self.bucket, one["Key"])
            self.ask(
                "Ending the unfinished upload of %s" % address,
                "abort_multipart_upload",
                Key=one["Key"],
                UploadId=one["UploadId"],
            )
            removed.append(address)
        return removed


class _S3Upload(Upload):
    """One part is filled while another is on its way, in a thread. ``write`` raises what went wrong there."""

    def __init__(self, storage: S3Storage, name: str) -> None:
        self._storage, self._name = storage, name
        self._key = storage.prefix + name
        self._what = "Writing %s" % storage.url(name)
        self._id: Optional[str] = storage.ask(
            self._what, "create_multipart_upload", Key=self._key, ChecksumAlgorithm="SHA256"
        )["UploadId"]
        self._sizes = (size for count, size in _PARTS for unused in range(count))
        self._limit = next(self._sizes)
        self._buffer = bytearray()
        self._size = 0
        self._parts: List[Dict[str, Any]] = []
        self._sha256, self._md5 = b"", b""
        self._checks = {"sha256"}
        self._sender: Optional[threading.Thread] = None
        self._problem: Optional[BaseException] = None

    def write(self, chunk: bytes) -> None:
        self._buffer += chunk
        if len(self._buffer) < self._limit:
            return
        self._send(self._buffer)
        self._buffer = bytearray()
        limit = next(self._sizes, None)
        if limit is None:
            raise Failed(
                "%s: it is more than the %d GiB that one object takes in our parts."
                % (self._what, sum(count * size for count, size in _PARTS) >> 30),
                "Compress more, or make several objects of it.",
            )
        self._limit = limit

    def _send(self, body: bytearray) -> None:
        self._wait()
        self._size += len(body)
        number = len(self._parts) + 1
        self._parts.append({})
        self._sender = threading.Thread(target=self._send_now, args=(number, body), daemon=True)
        self._sender.start()

    def _send_now(self, number: int, body: bytearray) -> None:
        try:
            sha256 = hashlib.sha256(body).digest()
            sent = base64.b64encode(sha256).decode()
            answer = self._storage.ask(
                self._what,
                "upload_part",
                Key=self._key,
                UploadId=self._id,
                PartNumber=number,
                Body=body,
                ChecksumSHA256=sent,
            )
            if answer.get("ChecksumSHA256") not in (None, sent):
                raise Failed("%s: part %d arrived with another checksum." % (self._what, number), "Try again.")
            if not answer.get("ChecksumSHA256"):
                self._checks = {"md5"}
            self._sha256 += sha256
            self._md5 += hashlib.md5(body).digest()  # S3's own kind of ETag, no secret
            self._parts[number - 1] = {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": sent}
        except BaseException as error:  # told to the thread that writes
            self._problem = error

    def _wait(self) -> None:
        if self._sender is not None:
            self._sender.join()
            self._sender = None
        if self._problem is not None:
            raise self._problem

    def prepare(self) -> None:
        self._wait()

    def commit(self) -> Stored:
        if self._buffer or not self._parts:
            self._send(self._buffer)
        self._wait()
        parts = [
            {k: v for k, v in one.items() if k != "ChecksumSHA256" or "sha256" in self._checks} for one in self._parts
        ]
        answer = self._storage.ask(
            self._what, "complete_multipart_upload", Key=self._key, UploadId=self._id, MultipartUpload={"Parts": parts}
        )
        self._id = None
        try:
            seen = self._storage.stat(self._name)
            expect(self._storage.url(self._name), self._size, seen.size_bytes if seen else None)
            return Stored(self._name, self._size, seen.modified if seen else 0.0, self._compared(answer))
        except Failed:
            self._storage.delete(self._name)
            raise

    def _compared(self, answer: Dict[str, Any]) -> str:
        """Which of the storage's checksums equals ours; the checksum of an object in parts is that of the parts' checksums.

        :raises Failed: when the one it has differs.
        """
        count = len(self._parts)
        ours = "%s-%d" % (base64.b64encode(hashlib.sha256(self._sha256).digest()).decode(), count)
        theirs = answer.get("ChecksumSHA256")
        if theirs:
            # Some servers leave the number of parts out.
            if theirs not in (ours, ours.rpartition("-")[0]):
                raise Failed("%s: the storage's checksum is %s, ours %s." % (self._what, theirs, ours), "Try again.")
            return "sha256"
        ours = '"%s-%d"' % (hashlib.md5(self._md5).hexdigest(), count)
        if answer.get("ETag") == ours:
            return "md5"
        return ""  # encrypted by the storage with keys of its own, where the ETag is no checksum

    def abort(self) -> None:
        if self._sender is not None:
            self._sender.join()
        if self._id is not None:
            with contextlib.suppress(RunbookError):
                self._storage.ask(self._what, "abort_multipart_upload", Key=self._key, UploadId=self._id)
            self._id = None


class _Answered(Unavailable):
    """S3 answered, with an error. ``code`` is its own."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(
            message, _ADVICE.get(code, "Check the endpoint_url, region and key options, and the storage's log.")
        )
        self.code = code


def _client(params: Dict[str, Any], place: str) -> Any:
    boto3 = load("boto3", "boto3")
    config = load("botocore.config", "boto3").Config(
        connect_timeout=10,
        read_timeout=60,
        retries={"max_attempts": 5, "mode": "standard"},
        # We send checksums of our own; the library's newer ones are refused by older servers of other makers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # Other makers' servers have no names for buckets.
        s3={"addressing_style": "path"} if params.get("endpoint_url") else {},
    )
    with _errors("S3 can't be used for %s" % place):
        session = boto3.session.Session(profile_name=params.get("profile"))
        return session.client(
            "s3",
            endpoint_url=params.get("endpoint_url"),
            region_name=params.get("region") or session.region_name or "us-east-1",
            aws_access_key_id=params.get("access_key"),
            aws_secret_access_key=params.get("secret_key"),
            config=config,
        )


@contextlib.contextmanager
def _errors(what: str) -> Iterator[None]:
    exceptions = load("botocore.exceptions", "boto3")
    try:
        yield
    except exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        text = str(error.response.get("Error", {}).get("Message", "")) or str(error)
        raise _Answered("%s: %s (%s)." % (what, text.rstrip("."), code), code) from error
    except (exceptions.BotoCoreError, exceptions.HTTPClientError, ValueError, OSError) as error:
        raise Unavailable(
            "%s: %s." % (what, str(error).rstrip(".")),
            "Check endpoint_url, region and the key options, and that the storage can be reached from where this task runs.",
        ) from error
