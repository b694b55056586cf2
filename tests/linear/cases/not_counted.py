"""What is not counted, and why."""

from __future__ import annotations

_WRITTEN = "writes what was decided or read, which is bounded by then, by joining it once"
_CONSTANT = "looks at one value, or at a table of ours"
_VALUES = "holds what was read"

NOT_COUNTED = {
    _WRITTEN: """
        wire.http.answer_head:answer_head wire.s3.calls:copy_source_header wire.s3.calls:upstream_call wire.s3.calls:whole_instead
        wire.s3.calls:require_kept wire.s3.calls:require_own_name
        wire.s3.copy_headers:part_upload wire.s3.copy_headers:whole_upload wire.s3.copy_headers:source_request wire.s3.copy_headers:tags_request
        wire.s3.multipart:completed_document wire.s3.documents:copy_document wire.s3.multipart:initiated_document
        wire.s3.multipart:abort_call wire.s3.multipart:complete_call wire.s3.multipart:create_call
        wire.s3.multipart:part_call wire.s3.multipart:parts_call wire.s3.documents:given
        wire.s3.documents:post_document wire.s3.xml:escape
        wire.replies:page_reply wire.replies:xml_reply wire.replies:problem wire.replies:rate_fields wire.replies:refusal wire.replies:s3_error
        wire.replies:s3_ids wire.replies:store_error wire.replies:store_refusal wire.replies:store_said wire.links.tus:discovery_fields wire.links.tus:location
        wire.links.tus:version_fields wire.http.answer_head:interim_head wire.links.upload_draft:offered_fields
        wire.links.upload_draft:complete_field wire.links.upload_draft:limit_field
        wire.links.upload_draft:interim_fields
    """,
    _CONSTANT: """
        wire.s3.response_headers:asks_download wire.s3.digests:whole_sha256 wire.s3.digests:repr_digest
        wire.http.answer_head:has_no_body wire.s3.calls:require_version wire.sig.checksums:register_crc wire.sig.checksums:register_xxhash wire.http.date:told_wait core.attempt:read_network wire.s3.operations:methods_of
        pages.languages:languages wire.replies:retry_after_field wire.replies:store_reason
        wire.replies:title_of wire.sig.sigv4:SigningKey wire.sig.sigv4:SigningKeys wire.sig.credentials:is_digest wire.sig.sigv4:require_fresh wire.links.tus:expires_field wire.links.tus_state:lease_key
        wire.links.tus_state:new_upload wire.s3.multipart:part_size wire.s3.documents:page_size core.token:access_key_id core.token:grant_id
        core.token:secret_access_key core.units:format_duration core.units:format_instant core.attempt:address_class
        core.attempt:is_address core.attempt:is_guarded core.attempt:is_loopback
        core.attempt:address_texts core.attempt:unmap core.pattern:names_any wire.links.tus:takes_back
        wire.links.tus_state:keyed_upload wire.links.visitor:fetches wire.links.visitor:opens_page wire.links.visitor:reads_index wire.links.program:Program wire.http.date:http_date
        core.units:whole_number wire.http.disposition:extended_name
    """,
    _VALUES: """
        wire.s3.multipart:CompletedPart wire.s3.batch_delete:DeleteOutcome wire.s3.batch_delete:DeleteRequest wire.s3.batch_delete:Doomed wire.s3.batch_delete:Tag
        wire.sig.credentials:SigV2Header wire.sig.credentials:SigV2Query wire.sig.credentials:SigV4Header
        wire.sig.credentials:SigV4Query wire.s3.documents:CopyResult wire.sig.post_policy:SigV2Form wire.sig.post_policy:SigV4Form
        wire.s3.listing:Found wire.s3.listing:Listing wire.s3.multipart:Part wire.s3.multipart:PartsListing wire.s3.multipart:Destination wire.s3.operations:Shape
        wire.s3.listing:Entry pages.languages:Language wire.replies:Reply wire.replies:RefusalDetails wire.sig.sigv4:Verified core.attempt:Attempt
        server.request:Pieces
    """,
}
"""Public names of the rooms in `tests.linear.test_linear` that no case covers."""
