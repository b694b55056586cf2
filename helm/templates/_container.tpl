{{/* The gateway's container and volumes, the same in a Deployment and beside an app. */}}

{{- define "gateway.securityContext" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "gateway.probe" -}}
{{- /* [root, path, timing] */ -}}
{{- $root := index . 0 -}}
httpGet:
  path: {{ index . 1 }}
  port: control
  {{- if and $root.Values.control.tls.existingSecret (ne $root.Values.mode "sidecar") }}
  scheme: HTTPS
  {{- end }}
{{ toYaml (index . 2) }}
{{- end -}}

{{- define "gateway.container" -}}
name: gateway
image: {{ include "gateway.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: {{ concat (list "serve" "--config" "/etc/gateway/settings/gateway.yaml") .Values.extraArgs | toJson }}
ports:
  {{- if ne .Values.mode "sidecar" }}
  - {name: data, containerPort: {{ .Values.data.port }}, protocol: TCP}
  {{- end }}
  - {name: control, containerPort: {{ .Values.control.port }}, protocol: TCP}
env:
  - {name: GATEWAY_CONFIG, value: /etc/gateway/settings/gateway.yaml}
{{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
startupProbe:
  {{- include "gateway.probe" (list . "/readyz" .Values.probes.startup) | nindent 2 }}
readinessProbe:
  {{- include "gateway.probe" (list . "/readyz" .Values.probes.readiness) | nindent 2 }}
livenessProbe:
  {{- include "gateway.probe" (list . "/healthz" .Values.probes.liveness) | nindent 2 }}
securityContext:
  {{- include "gateway.securityContext" . | nindent 2 }}
volumeMounts:
  - {name: gateway-settings, mountPath: /etc/gateway/settings, readOnly: true}
  - {name: gateway-policies, mountPath: /etc/gateway/policies, readOnly: true}
  - {name: gateway-state, mountPath: /var/lib/gateway}
  - {name: gateway-tmp, mountPath: /tmp}
  {{- range (include "gateway.secrets" . | fromYaml).secrets }}
  - {name: {{ .volume }}, mountPath: {{ .mountPath }}, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "gateway.secrets" -}}
{{- /* Every Secret that is mounted: volume, mountPath, and either one secret or several sources. */ -}}
{{- $values := .Values -}}
{{- $sidecar := eq $values.mode "sidecar" -}}
secrets:
  {{- range $values.backendSecrets }}
  - {volume: backend-{{ . }}, mountPath: /run/secrets/backends/{{ . }}, secret: {{ . }}}
  {{- end }}
  {{- if $sidecar }}
  {{- if eq $values.sidecar.identity "credentials" }}
  - {volume: gateway-app, mountPath: /run/secrets/app, sources: [{name: {{ $values.sidecar.tokenSecret.name }}, key: {{ $values.sidecar.tokenSecret.key }}, path: token}]}
  {{- end }}
  {{- else }}
  {{- with $values.adminTokens }}
  - volume: gateway-admin
    mountPath: /run/secrets/admin
    sources:
      {{- range . }}
      - {name: {{ .existingSecret | toJson }}, key: {{ .key | toJson }}, path: {{ .name | toJson }}}
      {{- end }}
  {{- end }}
  {{- $sources := list }}
  {{- if not (or $values.state.url $values.state.volume.enabled (not $values.state.existingSecret.name)) }}
  {{- $sources = append $sources (dict "name" $values.state.existingSecret.name "key" $values.state.existingSecret.key "path" "grants") }}
  {{- end }}
  {{- range $part := list "limits" "records" }}
  {{- with (index $values.state $part).existingSecret }}
  {{- if .name }}
  {{- $sources = append $sources (dict "name" .name "key" .key "path" $part) }}
  {{- end }}
  {{- end }}
  {{- end }}
  {{- range $values.state.sealingKeys }}
  {{- $sources = append $sources (dict "name" .existingSecret "key" .key "path" (printf "sealing-%d" (int .id))) }}
  {{- end }}
  {{- with $sources }}
  - {volume: gateway-stores, mountPath: /run/secrets/state, sources: {{ . | toJson }}}
  {{- end }}
  {{- range $name := list "data" "control" }}
  {{- with (index $values $name).tls.existingSecret }}
  - {volume: tls-{{ $name }}, mountPath: /run/secrets/tls-{{ $name }}, secret: {{ . }}}
  {{- end }}
  {{- end }}
  {{- end }}
{{- end -}}

{{- define "gateway.volumes" -}}
{{- $mode := ternary 0444 0440 (eq .Values.mode "sidecar") -}}
- name: gateway-settings
  configMap: {name: {{ include "gateway.settingsName" . }}, defaultMode: {{ $mode }}}
- name: gateway-policies
  configMap: {name: {{ include "gateway.policiesName" . }}, defaultMode: {{ $mode }}}
{{- if and .Values.state.volume.enabled (ne .Values.mode "sidecar") }}
- name: gateway-state
  persistentVolumeClaim: {claimName: {{ default (printf "%s-state" (include "gateway.fullname" .)) .Values.state.volume.existingClaim }}}
{{- else }}
- name: gateway-state
  emptyDir: {sizeLimit: 1Gi}
{{- end }}
- name: gateway-tmp
  emptyDir: {sizeLimit: 64Mi}
{{- range (include "gateway.secrets" . | fromYaml).secrets }}
- name: {{ .volume }}
  {{- if .secret }}
  secret: {secretName: {{ .secret }}, defaultMode: {{ $mode }}}
  {{- else }}
  projected:
    defaultMode: {{ $mode }}
    sources:
      {{- range .sources }}
      - secret: {name: {{ .name | toJson }}, items: [{key: {{ .key | toJson }}, path: {{ .path | toJson }}}]}
      {{- end }}
  {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
