"""Laws of `gateway.wire.s3.operations`."""

from __future__ import annotations

import pytest

from gateway.core.reasons import Reason, Refused
from gateway.core.request import Operation
from gateway.wire.s3.operations import Level, find_shape, methods_of

O = Operation  # noqa: E741


@pytest.mark.parametrize(
    ("method", "level", "params", "operation"),
    [
        ("GET", Level.SERVICE, {}, O.LIST_BUCKETS),
        ("HEAD", Level.BUCKET, {}, O.HEAD_BUCKET),
        ("PUT", Level.BUCKET, {}, O.CREATE_BUCKET),
        ("POST", Level.BUCKET, {}, O.POST_OBJECT),
        ("POST", Level.BUCKET, {"delete": ""}, O.DELETE_OBJECTS),
        ("GET", Level.BUCKET, {"prefix": "a/", "marker": "b", "max-keys": "5"}, O.LIST_OBJECTS),
        ("GET", Level.BUCKET, {"list-type": "2", "fetch-owner": "true", "start-after": "x"}, O.LIST_OBJECTS_V2),
        ("GET", Level.BUCKET, {"versions": "", "key-marker": "a"}, O.LIST_OBJECT_VERSIONS),
        ("GET", Level.BUCKET, {"uploads": "", "max-uploads": "1"}, O.LIST_MULTIPART_UPLOADS),
        ("GET", Level.BUCKET, {"location": ""}, O.GET_BUCKET_LOCATION),
        ("GET", Level.BUCKET, {"versioning": ""}, O.GET_BUCKET_VERSIONING),
        ("GET", Level.OBJECT, {"versionId": "v", "response-expires": "0"}, O.GET_OBJECT),
        ("GET", Level.OBJECT, {"partNumber": "1"}, O.GET_OBJECT),
        ("HEAD", Level.OBJECT, {"versionId": "v"}, O.HEAD_OBJECT),
        ("PUT", Level.OBJECT, {}, O.PUT_OBJECT),
        ("DELETE", Level.OBJECT, {"versionId": "v"}, O.DELETE_OBJECT),
        ("POST", Level.OBJECT, {"uploads": ""}, O.CREATE_MULTIPART_UPLOAD),
        ("PUT", Level.OBJECT, {"partNumber": "10000", "uploadId": "u"}, O.UPLOAD_PART),
        ("POST", Level.OBJECT, {"uploadId": "u"}, O.COMPLETE_MULTIPART_UPLOAD),
        ("DELETE", Level.OBJECT, {"uploadId": "u"}, O.ABORT_MULTIPART_UPLOAD),
        ("GET", Level.OBJECT, {"uploadId": "u", "max-parts": "2"}, O.LIST_PARTS),
        ("GET", Level.OBJECT, {"tagging": ""}, O.GET_OBJECT_TAGGING),
        ("PUT", Level.OBJECT, {"tagging": ""}, O.PUT_OBJECT_TAGGING),
        ("DELETE", Level.OBJECT, {"tagging": ""}, O.DELETE_OBJECT_TAGGING),
        ("GET", Level.OBJECT, {"attributes": ""}, O.GET_OBJECT_ATTRIBUTES),
    ],
)
def test_every_operation_has_its_shape(method: str, level: Level, params: dict[str, str], operation: Operation) -> None:
    """Method, level and sub-resource name exactly one operation."""
    assert find_shape(method, level, params).operation is operation


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "HEAD"])
@pytest.mark.parametrize("level", [Level.BUCKET, Level.OBJECT])
@pytest.mark.parametrize(
    "name",
    [
        "accelerate", "acl", "analytics", "cors", "encryption", "intelligent-tiering", "inventory", "legal-hold",
        "lifecycle", "logging", "metadataTable", "metrics", "notification", "object-lock", "ownershipControls",
        "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication", "requestPayment", "restore",
        "retention", "select", "torrent", "website", "anything",
    ],
)  # fmt: skip
def test_unknown_sub_resource_is_never_an_object_operation(method: str, level: Level, name: str) -> None:
    """A sub-resource outside the table is refused: stores take it for a write of the object itself."""
    with pytest.raises(Refused) as caught:
        find_shape(method, level, {name: ""})
    assert caught.value.reason is Reason.UNSUPPORTED_OPERATION


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("PUT", {"partNumber": "1"}),
        ("PUT", {"uploadId": "u"}),
        ("PUT", {"versionId": "v"}),
        ("PUT", {"uploads": ""}),
        ("PUT", {"tagging": "", "uploadId": "u", "partNumber": "1"}),
        ("GET", {"tagging": "", "attributes": ""}),
        ("GET", {"Tagging": ""}),
        ("DELETE", {"uploads": ""}),
    ],
)
def test_combinations_outside_the_table_are_refused(method: str, params: dict[str, str]) -> None:
    """Half an operation, or two at once, is none."""
    with pytest.raises(Refused) as caught:
        find_shape(method, Level.OBJECT, params)
    assert caught.value.reason is Reason.UNSUPPORTED_OPERATION


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("list-type", "1"),
        ("list-type", ""),
        ("max-keys", "-1"),
        ("max-keys", "x"),
        ("max-keys", "\u0661"),
        ("encoding-type", "base64"),
        ("fetch-owner", "yes"),
    ],
)
def test_values_have_their_form(name: str, value: str) -> None:
    """A parameter with a value of another form is refused before a store can guess."""
    with pytest.raises(Refused) as caught:
        find_shape("GET", Level.BUCKET, {"list-type": "2", name: value})
    assert caught.value.reason is Reason.BAD_ARGUMENT


@pytest.mark.parametrize("number", ["0", "10001", "1x", "", "-1", "01"])
def test_part_numbers_are_1_to_10000(number: str) -> None:
    """S3's bounds of a part number hold here too."""
    with pytest.raises(Refused) as caught:
        find_shape("PUT", Level.OBJECT, {"partNumber": number, "uploadId": "u"})
    assert caught.value.reason is Reason.BAD_ARGUMENT


def test_method_without_a_row_is_not_allowed() -> None:
    """PATCH is a method that no level has; the answer can say which ones it has."""
    with pytest.raises(Refused) as caught:
        find_shape("PATCH", Level.OBJECT, {})
    assert caught.value.reason is Reason.METHOD_NOT_ALLOWED
    assert methods_of(Level.OBJECT) == ("DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT")
