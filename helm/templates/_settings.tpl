{{/* What the chart writes into gateway.yaml, and what it refuses to render. */}}

{{- define "gateway.refusals" -}}
{{- $values := .Values -}}
{{- if ne $values.mode "sidecar" -}}
{{- if and $values.state.volume.enabled (include "gateway.severalReplicas" .) -}}
{{- fail "state.volume is SQLite on one volume: set replicas to 1 and autoscaling.enabled to false, or name a PostgreSQL in state.existingSecret" -}}
{{- end -}}
{{- if and (regexMatch "^(memory|sqlite):" $values.state.url) (include "gateway.severalReplicas" .) -}}
{{- fail "state.url is memory:// or sqlite://, which replicas cannot share: set replicas to 1, or name a PostgreSQL in state.existingSecret" -}}
{{- end -}}
{{- if not (or $values.state.url $values.state.volume.enabled $values.state.existingSecret.name $values.existingSettings) -}}
{{- fail "nowhere to keep grants: name a Secret in state.existingSecret, or enable state.volume" -}}
{{- end -}}
{{- else -}}
{{- if and (eq $values.sidecar.identity "credentials") (not $values.sidecar.tokenSecret.name) -}}
{{- fail "sidecar.identity is credentials: name the Secret of the app's token in sidecar.tokenSecret.name" -}}
{{- end -}}
{{- if and $values.sidecar.injection.enabled (semverCompare "<1.36.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "sidecar.injection needs Kubernetes 1.36, and this is %s: include the template gateway.sidecar in your own chart" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end -}}
{{- if eq (int $values.data.port) (int $values.control.port) -}}
{{- fail "data.port and control.port are the same: the two listeners of a pod need ports of their own" -}}
{{- end -}}
{{- $deadlines := default dict $values.settings.deadlines -}}
{{- if or (hasKey $deadlines "drain") (hasKey $deadlines "notice") -}}
{{- fail "settings.deadlines.drain and .notice follow drain.seconds and drain.noticeSeconds, since the pod's grace period does too" -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is empty: name the Gateway that the route belongs to" -}}
{{- end -}}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) -}}
{{- fail "ingress.hosts is empty: name at least one host" -}}
{{- end -}}
{{- if and $values.metrics.serviceMonitor.enabled (not (include "gateway.controlService" .)) -}}
{{- fail "metrics.serviceMonitor needs control.service.enabled" -}}
{{- end -}}
{{- end -}}

{{- define "gateway.publicUrl" -}}
{{- if .Values.publicUrl -}}
{{ .Values.publicUrl }}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts -}}
{{ ternary "https" "http" (not (empty .Values.ingress.tls)) }}://{{ first .Values.ingress.hosts }}
{{- else if and .Values.httpRoute.enabled .Values.httpRoute.hostnames -}}
https://{{ first .Values.httpRoute.hostnames }}
{{- else if eq .Values.mode "sidecar" -}}
http://127.0.0.1:{{ .Values.data.port }}
{{- else -}}
{{ ternary "https" "http" (not (empty .Values.data.tls.existingSecret)) }}://{{ include "gateway.fullname" . }}.{{ .Release.Namespace }}.svc:{{ .Values.service.port }}
{{- end -}}
{{- end -}}

{{- define "gateway.listen" -}}
{{- /* [root, port]: an address that the whole pod network reaches. */ -}}
{{ ternary "[::]" "0.0.0.0" (eq (index . 0).Values.ipFamily "IPv6") }}:{{ index . 1 }}
{{- end -}}

{{- define "gateway.loopback" -}}
{{ ternary "[::1]" "127.0.0.1" (eq .Values.ipFamily "IPv6") }}
{{- end -}}

{{- define "gateway.state" -}}
{{- /* {"state": …}, as JSON. */ -}}
{{- $state := .Values.state -}}
{{- $grants := "" -}}
{{- if or (eq .Values.mode "sidecar") $state.volume.enabled -}}
{{- $grants = "sqlite:////var/lib/gateway/gateway.db" -}}
{{- else if $state.url -}}
{{- $grants = $state.url -}}
{{- else -}}
{{- $grants = "file:/run/secrets/state/grants" -}}
{{- end -}}
{{- $parts := dict -}}
{{- if ne .Values.mode "sidecar" -}}
{{- range $part := list "limits" "records" -}}
{{- if (index $state $part).existingSecret.name -}}
{{- $_ := set $parts $part (printf "file:/run/secrets/state/%s" $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $state.sealingKeys (ne .Values.mode "sidecar") -}}
{{- $keys := list -}}
{{- range $state.sealingKeys -}}
{{- $keys = append $keys (dict "id" (int .id) "key" (printf "file:/run/secrets/state/sealing-%d" (int .id))) -}}
{{- end -}}
{{- $_ := set $parts "sealing_keys" $keys -}}
{{- end -}}
{{- if $parts -}}
{{- $_ := set $parts "grants" $grants -}}
{{ dict "state" $parts | toJson }}
{{- else -}}
{{ dict "state" $grants | toJson }}
{{- end -}}
{{- end -}}

{{- define "gateway.settings" -}}
{{- /* gateway.yaml: what the chart knows, with `settings` laid over it. */ -}}
{{- $values := .Values -}}
{{- $sidecar := eq $values.mode "sidecar" -}}
{{- $data := dict "public_url" (include "gateway.publicUrl" .) -}}
{{- $control := dict "listen" (include "gateway.listen" (list . $values.control.port)) "tokens" list -}}
{{- if $sidecar -}}
{{- $_ := set $data "listen" (printf "%s:%v" (include "gateway.loopback" .) $values.data.port) -}}
{{- if eq $values.sidecar.identity "trusted" -}}
{{- $_ := set $data "trusted" (printf "app:%s" $values.sidecar.app) -}}
{{- else -}}
{{- $_ := set $control "credentials" (list (dict "app" (printf "app:%s" $values.sidecar.app) "token" "file:/run/secrets/app/token")) -}}
{{- end -}}
{{- else -}}
{{- $_ := set $data "listen" (include "gateway.listen" (list . $values.data.port)) -}}
{{- $tokens := list -}}
{{- range $values.adminTokens -}}
{{- $tokens = append $tokens (dict "name" .name "secret" (printf "file:/run/secrets/admin/%s" .name)) -}}
{{- end -}}
{{- $_ := set $control "tokens" $tokens -}}
{{- range $name, $section := dict "data" $data "control" $control -}}
{{- if (index $values $name).tls.existingSecret -}}
{{- $place := printf "/run/secrets/tls-%s" $name -}}
{{- $_ := set $section "tls" (dict "cert" (printf "%s/tls.crt" $place) "key" (printf "%s/tls.key" $place)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $deadlines := dict "drain" (printf "%vs" $values.drain.seconds) "notice" (ternary "none" (printf "%vs" $values.drain.noticeSeconds) (or $sidecar (eq (int $values.drain.noticeSeconds) 0))) -}}
{{- $ours := dict "data" $data "control" $control "state" (include "gateway.state" . | fromJson).state "policies" "/etc/gateway/policies" "deadlines" $deadlines -}}
{{- toYaml (mergeOverwrite $ours (deepCopy $values.settings)) -}}
{{- end -}}
