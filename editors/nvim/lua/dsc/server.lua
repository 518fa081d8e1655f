--- The server: how it is started, and what the user is told when it cannot be.
local M = {}

local INSTALL = 'Install it (`pip install dsc-lsp`) and set `cmd` to its whole path:'
  .. " require('dsc').setup({ cmd = { '/path/to/dsc-lsp', '--stdio' } }). See :checkhealth dsc"

--- Filetypes whose name is not the protocol's language identifier.
local LANGUAGE_IDS = { cs = 'csharp', cuda = 'cuda-cpp', sh = 'shellscript' }

--- What |vim.lsp.config()| takes.
M.config = {
  name = 'dsc',
  cmd = { 'dsc-lsp', '--stdio' },
  filetypes = {
    'python', 'javascript', 'javascriptreact', 'typescript', 'typescriptreact', 'java', 'go',
    'rust', 'c', 'cpp', 'cuda', 'cs', 'php', 'ruby', 'sh', 'bash', 'html', 'css', 'scss', 'less',
    'json', 'jsonc', 'yaml', 'kotlin', 'swift', 'lua', 'scala',
  },
  root_markers = { '.git', 'pyproject.toml', 'package.json', 'Cargo.toml', 'go.mod' },
  get_language_id = function(_, filetype)
    return LANGUAGE_IDS[filetype] or filetype
  end,
  --- What only the user may set must come with initialize; a server cannot tell the others apart.
  before_init = function(params, config)
    local settings = vim.tbl_get(config, 'settings', 'dsc') or {}
    params.initializationOptions = vim.tbl_extend('force', vim.empty_dict(), settings, config.init_options or {})
  end,
}

--- The same with what was said to `setup()`, for versions without |vim.lsp.config()|.
local given = M.config

--- The configuration with all that the user has said to `setup()` and |vim.lsp.config()|.
function M.resolved()
  return vim.lsp.config and vim.lsp.config.dsc or given
end

local function tell(message, level)
  vim.schedule(function()
    vim.notify('dsc: ' .. message, level)
  end)
end

--- The command that says which version would be started, or why none can be.
local function version_command(cmd)
  local command = vim.tbl_filter(function(argument)
    return argument ~= '--stdio' and argument ~= 'serve'
  end, cmd)
  return vim.list_extend(command, { '--version' })
end

--- Finds out what a command would start.
--- @param cmd string[]|function a function connects to a server and starts none
--- @param report fun(version: string?, problem: string?) exactly one of the two is given; called
---   on the main loop
function M.probe(cmd, report)
  report = vim.schedule_wrap(report)
  if type(cmd) == 'function' then
    return report('a server that runs by itself')
  end
  if vim.fn.executable(cmd[1]) == 0 then
    return report(nil, ('`%s` cannot be found or run. %s'):format(cmd[1], INSTALL))
  end
  local options = { text = true, timeout = 20000 }
  local started, failure = pcall(vim.system, version_command(cmd), options, function(ended)
    local said = vim.trim(ended.stdout or '')
    if ended.code == 0 and vim.startswith(said, 'dsc-lsp ') then
      return report(said)
    end
    local lines = vim.split(vim.trim(ended.stderr or ''), '\n')
    local reason = ended.code == 124 and 'no answer in 20 s'
      or lines[#lines] ~= '' and lines[#lines]
      or ('exit code %d, and no version'):format(ended.code)
    if reason:find('No module named', 1, true) then
      reason = reason .. ': this Python has no dsc-lsp'
    end
    report(nil, ('`%s` is not a dsc-lsp that works (%s). %s'):format(table.concat(cmd, ' '), reason, INSTALL))
  end)
  if not started then
    report(nil, ('`%s` cannot be run (%s). %s'):format(cmd[1], failure, INSTALL))
  end
end

--- Says why the server ended, if nobody asked it to.
--- @param code integer
--- @param signal integer
--- @param client_id integer
function M.on_exit(code, signal, client_id)
  local was_asked = M.stopping[client_id] or (M.running[client_id] and code == 0 and signal == 0)
  M.running[client_id] = nil
  if was_asked or vim.v.exiting ~= vim.NIL then
    return
  end
  local how = signal ~= 0 and 'signal ' .. signal or 'exit code ' .. code
  vim.schedule(function()
    M.probe(M.resolved().cmd, function(_, problem)
      tell(
        problem
          or ('the server ended unexpectedly (%s). Start it again with :Dsc restart.'):format(how)
            .. ' If it does so at once, `dsc-lsp doctor` in a shell says why; what it said stands in '
            .. vim.lsp.log.get_filename(),
        vim.log.levels.ERROR
      )
    end)
  end)
end

M.running = {} --- @type table<integer, true?> clients whose server has answered `initialize`
M.stopping = {} --- @type table<integer, true?> clients that are stopped on purpose

local function serves(buffer)
  local is_of_text = vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].buftype == ''
  return is_of_text and vim.tbl_contains(M.resolved().filetypes, vim.bo[buffer].filetype)
end

local function is_startable()
  local cmd = M.resolved().cmd
  return type(cmd) == 'function' or vim.fn.executable(cmd[1]) == 1
end

--- Says so, once, where no server can be started or none is for a buffer.
local function warn_when_missing()
  local group = vim.api.nvim_create_augroup('dsc.missing', {})
  vim.api.nvim_create_autocmd('FileType', {
    group = group,
    callback = function(event)
      if not serves(event.buf) then
        return
      end
      if not is_startable() then
        vim.api.nvim_del_augroup_by_id(group)
        M.probe(M.resolved().cmd, function(_, problem)
          tell(problem or 'the server has just appeared; :Dsc restart', vim.log.levels.ERROR)
        end)
      elseif event.file:match('^%w%w+://') then
        vim.api.nvim_del_augroup_by_id(group)
        tell(
          ('%s is no file on this machine. Suggestions are made from its text alone; to have the files beside it considered, edit it where it lies.'):format(event.file),
          vim.log.levels.INFO
        )
      end
    end,
  })
end

--- Starts the server for a buffer, or attaches the one that runs.
local function start(buffer)
  local config = M.resolved()
  vim.lsp.start(
    vim.tbl_extend('force', config, { root_dir = vim.fs.root(buffer, config.root_markers) }),
    { bufnr = buffer }
  )
end

--- Lets the server be started for each buffer of its filetypes.
--- @param chosen table what differs from `M.config`
function M.enable(chosen)
  warn_when_missing()
  if vim.lsp.config then
    vim.lsp.config('dsc', chosen)
    vim.lsp.enable('dsc')
    return
  end
  given = vim.tbl_deep_extend('force', M.config, chosen)
  local function attach(buffer)
    if serves(buffer) and is_startable() then
      start(buffer)
    end
  end
  vim.api.nvim_create_autocmd('FileType', {
    group = vim.api.nvim_create_augroup('dsc.start', {}),
    callback = function(event)
      attach(event.buf)
    end,
  })
  vim.tbl_map(attach, vim.api.nvim_list_bufs())
end

--- Stops the server, and starts it again for the buffers that it had, or that it should have had.
function M.restart()
  if not is_startable() then
    return M.probe(M.resolved().cmd, function(_, problem)
      tell(problem, vim.log.levels.ERROR)
    end)
  end
  for _, client in ipairs(vim.lsp.get_clients({ name = 'dsc' })) do
    M.stopping[client.id] = true
    vim.lsp.stop_client(client.id, true)
  end
  vim.tbl_map(start, vim.tbl_filter(serves, vim.api.nvim_list_bufs()))
end

return M
