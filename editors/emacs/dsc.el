;;; dsc.el --- Code completion by a DeepSeek-Coder model on your own machine -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "29.1"))
;; Keywords: languages, convenience, tools
;; URL: https://github.com/deepseek-ai/DeepSeek-Coder
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; How the language server dsc-lsp is started: by eglot (`dsc-eglot-setup'), which shows no ghost
;; text, so that `dsc-mode' does; or by lsp-mode (`dsc-lsp-setup'), which shows it.

;;; Code:

(require 'seq)
(require 'subr-x)

(defgroup dsc nil
  "Code completion by a DeepSeek-Coder model on your own machine."
  :group 'tools
  :prefix "dsc-")

(defcustom dsc-command '("dsc-lsp" "--stdio")
  "The command that starts the server.
With its whole path, if it is not on variable `exec-path'.
A project that says another in its `.dir-locals.el' is always asked about."
  :risky t
  :type '(repeat string))

(defcustom dsc-settings nil
  "The server's settings, without their prefix: (:maxLines 6 :model \"starter\").
They may say where code is sent, so a project that says others is always asked about."
  :risky t
  :type 'plist)

(defcustom dsc-modes
  '((python-base-mode . "python")
    (js-json-mode . "json") (json-mode . "json") (json-ts-mode . "json")
    (js-base-mode . "javascript") (typescript-mode . "typescript")
    (tsx-ts-mode . "typescriptreact") (typescript-ts-base-mode . "typescript")
    (java-mode . "java") (java-ts-mode . "java") (go-mode . "go") (go-ts-mode . "go")
    (rust-mode . "rust") (rust-ts-mode . "rust") (c-mode . "c") (c-ts-mode . "c")
    (cuda-mode . "cuda-cpp") (c++-mode . "cpp") (c++-ts-mode . "cpp")
    (csharp-mode . "csharp") (csharp-ts-mode . "csharp") (php-mode . "php") (php-ts-mode . "php")
    (ruby-base-mode . "ruby") (sh-base-mode . "shellscript") (html-mode . "html")
    (scss-mode . "scss") (less-css-mode . "less") (css-base-mode . "css")
    (yaml-mode . "yaml") (yaml-ts-mode . "yaml") (lua-mode . "lua") (lua-ts-mode . "lua")
    (kotlin-mode . "kotlin") (kotlin-ts-mode . "kotlin") (swift-mode . "swift")
    (scala-mode . "scala") (scala-ts-mode . "scala"))
  "Major modes that the server is for, with language identifiers.
It is for modes derived from them, too; the first that fits says the language.  Some are of
packages that Emacs does not bring."
  :type '(repeat (cons symbol string)))

(defconst dsc--remedy
  "Install it (`pip install dsc-lsp') and set `dsc-command' to its whole path: \
(setq dsc-command '(\"/path/to/dsc-lsp\" \"--stdio\"))")

(defun dsc--version-command ()
  "Return the command that says which version would be started."
  (append (seq-remove (lambda (argument) (member argument '("--stdio" "serve"))) dsc-command)
          '("--version")))

(defun dsc--problem ()
  "Return what is wrong with `dsc-command' on the machine of this buffer's file; nil if it works."
  (let* ((command (dsc--version-command))
         (host (file-remote-p default-directory 'host))
         (shown (concat "`" (string-join dsc-command " ") "'" (and host (concat " on " host)))))
    (if (not (executable-find (car command) t))
        (format "dsc: %s cannot be found or run. %s" shown dsc--remedy)
      (with-temp-buffer
        (let* ((code (condition-case failure
                         (apply #'process-file (car command) nil t nil (cdr command))
                       (error (error-message-string failure))))
               (lines (split-string (buffer-string) "\n" t))
               (said (car (last lines))))
          (unless (and (eql code 0) said (string-prefix-p "dsc-lsp " said))
            (format "dsc: %s is not a dsc-lsp that works (%s%s). %s"
                    shown
                    (or said (format "exit code %s, and no version" code))
                    (if (and said (string-search "No module named" said))
                        ": this Python has no dsc-lsp"
                      "")
                    dsc--remedy)))))))

(defun dsc--checked-command ()
  "Return `dsc-command'; a `user-error' with the remedy if it does not work."
  (when-let* ((problem (dsc--problem)))
    (display-warning 'dsc problem :error)
    (user-error "%s" problem))
  dsc-command)

(defun dsc-check ()
  "Say whether the server can be started here, and what to do if not."
  (interactive)
  (message "%s" (or (dsc--problem)
                    (format "dsc: `%s' works" (string-join dsc-command " ")))))

;;;; What is taken of a suggestion

(defun dsc--first-word (text)
  "Return the blanks and the word or run of signs that TEXT begins with."
  (if (string-match "\\`[[:space:]\n]*\\(?:[[:word:]_]+\\|[^[:word:]_[:space:]\n]+\\)" text)
      (match-string 0 text)
    text))

(defun dsc--first-line (text)
  "Return the first line of TEXT, with the line breaks before it and without the one behind."
  (string-match "\\`\n*[^\n]*" text)
  (match-string 0 text))

(defun dsc--partly (name arguments taken)
  "Return the command that tells that TAKEN was taken of a suggestion.
NAME and ARGUMENTS are those of the one that tells that the whole was; nil for other servers'."
  (when (equal name "dsc.accepted")
    (let ((utf-16-units (/ (length (encode-coding-string taken 'utf-16le)) 2)))
      (list :command "dsc.partiallyAccepted"
            :arguments (vector (elt arguments 0) utf-16-units)))))

;;;; eglot

(defvar eglot-server-programs)
(declare-function dsc-mode "dsc-mode")
(declare-function eglot-server-capable "eglot")
(declare-function eglot-managed-p "eglot")

(defun dsc--eglot-contact (_interactive)
  "Return what eglot starts."
  (append (dsc--checked-command) (and dsc-settings (list :initializationOptions dsc-settings))))

(defun dsc--eglot-managed ()
  "Show ghost text where eglot manages a buffer with a server that has some."
  (when (fboundp 'dsc-mode)
    (dsc-mode (if (and (eglot-managed-p) (eglot-server-capable :inlineCompletionProvider)) 1 -1))))

;;;###autoload
(defun dsc-eglot-setup (&optional modes)
  "Let eglot start the server in MODES, all of `dsc-modes' if nil, with ghost text by `dsc-mode'.
Eglot has one server for a buffer: this one takes the place of others in MODES."
  (require 'dsc-mode)
  (with-eval-after-load 'eglot
    (add-to-list 'eglot-server-programs
                 (cons (mapcar (lambda (entry) (list (car entry) :language-id (cdr entry)))
                               (seq-filter (lambda (entry)
                                             (or (null modes) (memq (car entry) modes)))
                                           dsc-modes))
                       #'dsc--eglot-contact)))
  (add-hook 'eglot-managed-mode-hook #'dsc--eglot-managed))

;;;; lsp-mode

(defvar lsp-language-id-configuration)
(defvar lsp-inline-completion-active-map)
(defvar lsp-inline-completion-idle-delay)
(defvar lsp-inline-completion--items)
(defvar lsp-inline-completion--current)
(defvar lsp-inline-completion--start-point)
(declare-function lsp-register-client "lsp-mode")
(declare-function make-lsp-client "lsp-mode")
(declare-function lsp-stdio-connection "lsp-mode")
(declare-function lsp-inline-completion--define-key "lsp-inline-completion")
(declare-function lsp-inline-completion--active-p "lsp-inline-completion")
(declare-function lsp-inline-completion-display "lsp-inline-completion")
(declare-function lsp-inline-completion-next "lsp-inline-completion")
(declare-function lsp-inline-completion-prev "lsp-inline-completion")
(declare-function lsp-inline-completion-accept "lsp-inline-completion")
(declare-function lsp-inline-completion-show-overlay "lsp-inline-completion")
(declare-function lsp-inline-completion--clear-overlay "lsp-inline-completion")
(declare-function lsp-get "lsp-protocol")
(declare-function lsp-request-async "lsp-mode")
(declare-function lsp-make-inline-completion-item "lsp-protocol")
(declare-function lsp-make-position "lsp-protocol")
(declare-function lsp-make-range "lsp-protocol")
(declare-function lsp--point-to-position "lsp-mode")
(declare-function lsp--position-to-point "lsp-mode")

(defun dsc--serves-buffer (_file mode)
  "Return whether the server is for a buffer of a major MODE."
  (seq-some (lambda (entry) (provided-mode-derived-p mode (car entry))) dsc-modes))

;;;###autoload
(defun dsc-lsp-setup ()
  "Let lsp-mode start the server beside others and show its ghost text, which TAB takes."
  (with-eval-after-load 'lsp-mode
    (lsp-register-client
     (make-lsp-client
      :new-connection (lsp-stdio-connection #'dsc--checked-command (lambda () t))
      :activation-fn #'dsc--serves-buffer
      :initialization-options (lambda () dsc-settings)
      :add-on? t
      :priority -2
      :server-id 'dsc)))
  (with-eval-after-load 'lsp-inline-completion
    (setq lsp-inline-completion-idle-delay 0.2)
    (pcase-dolist (`(,key . ,command) '(("TAB" . lsp-inline-completion-accept)
                                        ("<tab>" . lsp-inline-completion-accept)
                                        ("<remap> <forward-word>" . dsc-lsp-accept-word)
                                        ("<remap> <move-end-of-line>" . dsc-lsp-accept-line)
                                        ("M-n" . dsc-lsp-next)
                                        ("M-p" . dsc-lsp-previous)
                                        ("C-n" . dsc-lsp-next)
                                        ("C-p" . dsc-lsp-previous)))
      (lsp-inline-completion--define-key lsp-inline-completion-active-map (kbd key) command 'keep))))

(defun dsc-lsp-accept-word ()
  "Take the next word of lsp-mode's suggestion."
  (interactive)
  (dsc--lsp-take #'dsc--first-word))

(defun dsc-lsp-accept-line ()
  "Take the rest of the line of lsp-mode's suggestion.
At the end of a line, it is the whole next one."
  (interactive)
  (dsc--lsp-take #'dsc--first-line))

(defun dsc--lsp-take (cut)
  "Insert what CUT takes of lsp-mode's suggestion, and show what is left of it."
  (unless (lsp-inline-completion--active-p)
    (user-error "No suggestion is shown"))
  (let* ((item (elt lsp-inline-completion--items lsp-inline-completion--current))
         (insert-text (lsp-get item :insertText))
         (text (if (stringp insert-text) insert-text (lsp-get insert-text :value)))
         (place lsp-inline-completion--start-point)
         (range (lsp-get item :range))
         (start (if range (lsp--position-to-point (lsp-get range :start)) place))
         (end (if range (lsp--position-to-point (lsp-get range :end)) place))
         (typed (buffer-substring-no-properties start place))
         (rest (and (string-prefix-p typed text) (substring text (length typed))))
         (taken (if rest (funcall cut rest) text)))
    (if (member taken (list rest text))
        (lsp-inline-completion-accept)
      (lsp-inline-completion--clear-overlay)
      (goto-char place)
      (undo-boundary)
      (insert taken)
      (undo-boundary)
      (dsc--lsp-tell-partly (lsp-get item :command) taken)
      (setq lsp-inline-completion--start-point (point)
            lsp-inline-completion--current 0
            lsp-inline-completion--items
            (list (lsp-make-inline-completion-item
                   :insertText (substring rest (length taken))
                   :range? (lsp-make-range
                            :start (dsc--lsp-position (point))
                            ;; What stands behind point is replaced with the last part only.
                            :end (dsc--lsp-position (+ (point) (- end place))))
                   :command? (lsp-get item :command))))
      (lsp-inline-completion-show-overlay))))

(defun dsc--lsp-tell-partly (whole taken)
  "Tell the server that TAKEN was taken; the command WHOLE would tell that all was."
  (when-let* ((command (and whole (dsc--partly (lsp-get whole :command)
                                               (lsp-get whole :arguments) taken))))
    (lsp-request-async "workspace/executeCommand" command #'ignore
                       :mode 'detached :error-handler #'ignore)))

(defun dsc--lsp-position (place)
  "Return the position of a PLACE as lsp-mode has those of servers."
  ;; Its own is a plist even where what servers send are hash tables.
  (let ((position (lsp--point-to-position place)))
    (lsp-make-position :line (plist-get position :line)
                       :character (plist-get position :character))))

(defun dsc-lsp-next ()
  "Show lsp-mode's next suggestion; the server is asked for others."
  (interactive)
  (dsc--lsp-choose #'lsp-inline-completion-next))

(defun dsc-lsp-previous ()
  "Show lsp-mode's suggestion before; the server is asked for others."
  (interactive)
  (dsc--lsp-choose #'lsp-inline-completion-prev))

(defun dsc--lsp-choose (choose)
  "Ask for alternatives, if there are none yet, and CHOOSE one."
  ;; On its own lsp-mode asks as one who types, and a server makes alternatives on purpose only.
  (unless (cdr lsp-inline-completion--items)
    ;; While it shows a suggestion it may have moved point.
    (when (lsp-inline-completion--active-p)
      (goto-char lsp-inline-completion--start-point))
    (lsp-inline-completion-display))
  (when (lsp-inline-completion--active-p)
    (funcall choose)))

(provide 'dsc)
;;; dsc.el ends here
