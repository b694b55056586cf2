{{/*
The sidecar for other charts. Make this chart a dependency with mode: sidecar, and in the pod's template write

  initContainers:
    {{- include "gateway.sidecar" .Subcharts.gateway | nindent 4 }}      the gateway: starts first, stops last
  containers:
    - name: app
      env:
        {{- include "gateway.sidecar.env" .Subcharts.gateway | nindent 8 }}
      volumeMounts:
        {{- include "gateway.sidecar.mounts" .Subcharts.gateway | nindent 8 }}
  volumes:
    {{- include "gateway.volumes" .Subcharts.gateway | nindent 4 }}

A native sidecar needs no preStop: it is stopped after the app, and Jobs end without waiting for it.
*/}}

{{- define "gateway.sidecar" -}}
- {{- include "gateway.container" . | nindent 2 }}
  restartPolicy: Always
  resources:
    {{- toYaml .Values.sidecar.resources | nindent 4 }}
{{- end -}}

{{- define "gateway.sidecar.env" -}}
{{- $place := printf "http://%s" (include "gateway.loopback" .) -}}
- {name: AWS_ENDPOINT_URL_S3, value: "{{ $place }}:{{ .Values.data.port }}"}
- {name: AWS_REGION, value: {{ .Values.sidecar.region }}}
- {name: AWS_REQUEST_CHECKSUM_CALCULATION, value: when_required}
- {name: AWS_RESPONSE_CHECKSUM_VALIDATION, value: when_required}
{{- if eq .Values.sidecar.identity "credentials" }}
- {name: AWS_CONTAINER_CREDENTIALS_FULL_URI, value: "http://{{ include "gateway.loopback" . }}:{{ .Values.control.port }}/v1/credentials/{{ .Values.sidecar.app }}"}
- {name: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, value: /run/secrets/gateway-app/token}
{{- end }}
{{- end -}}

{{- define "gateway.sidecar.mounts" -}}
{{- if eq .Values.sidecar.identity "credentials" -}}
- {name: gateway-app, mountPath: /run/secrets/gateway-app, readOnly: true}
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{- /* [path, value]: a value as a CEL expression, its mappings as objects of the type that the path names. */ -}}
{{- define "gateway.cel" -}}
{{- $path := index . 0 -}}
{{- $value := index . 1 -}}
{{- if kindIs "map" $value -}}
{{- $texts := or (hasSuffix ".limits" $path) (hasSuffix ".requests" $path) (hasSuffix ".labels" $path) -}}
{{- $members := list -}}
{{- range $name, $inner := $value -}}
{{- $members = append $members (printf "%s: %s" (ternary (quote $name) $name $texts) (include "gateway.cel" (list (printf "%s.%s" $path $name) $inner))) -}}
{{- end -}}
{{ ternary "" $path $texts }}{ {{- join ", " $members -}} }
{{- else if kindIs "slice" $value -}}
{{- $members := list -}}
{{- range $inner := $value -}}
{{- $members = append $members (include "gateway.cel" (list $path $inner)) -}}
{{- end -}}
[{{ join ", " $members }}]
{{- else if kindIs "float64" $value -}}
{{ int64 $value }}
{{- else -}}
{{ $value | toJson }}
{{- end -}}
{{- end -}}
